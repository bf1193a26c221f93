"""SQL that stores the releases of a source."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text

from app.schemas.domain.anime import Status
from app.schemas.domain.releases import UpstreamEpisode, UpstreamRelease
from app.utils.db.database import Transaction

_OTHER = {"timestamptz": ("fresh_at", "added_at", "updated_at"), "boolean": ("blocked",)}
_INTEGERS = ("external_id", "year", "episodes_total", "favorites", "publish_day", "episode_minutes")
_TYPES = {name: kind for kind, names in _OTHER.items() for name in names}
_TYPES |= dict.fromkeys(_INTEGERS, "integer")
_COLUMNS = [
    field.name for field in fields(UpstreamRelease) if field.name not in {"genres", "episodes", "latest"}
]
_LISTED = ", ".join(_COLUMNS)
_SHAPE = ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in _COLUMNS)
_EMPTY = {"description": "''", "favorites": "0"}  # what stands for a missing value
_CHANGED = ", ".join(
    f"{name} = case when excluded.detailed_at is not null then excluded.{name} "
    f"else coalesce(nullif(excluded.{name}, {_EMPTY.get(name, 'null')}), releases.{name}) end"
    for name in _COLUMNS
    if name != "external_id"
)

_UPSERT = f"""
    insert into releases ({_LISTED}, genres, latest_ordinal, seen_ordinals, fetched_at, detailed_at,
                          followed_at)
    select {_LISTED}, genres, latest_ordinal, seen_ordinals, :fetched_at,
           case when detailed then cast(:fetched_at as timestamptz) end,
           case when detailed then coalesce(greatest(fresh_at, updated_at), 'epoch') end
    from jsonb_to_recordset(cast(:rows as jsonb))
         as r({_SHAPE}, genres text[], latest_ordinal double precision,
              seen_ordinals double precision[], detailed boolean)
    order by external_id
    on conflict (source, external_id) do update set {_CHANGED},
        genres = coalesce(excluded.genres, releases.genres),
        latest_ordinal = greatest(excluded.latest_ordinal, releases.latest_ordinal),
        seen_ordinals = array(
            select distinct unnest(releases.seen_ordinals || excluded.seen_ordinals) order by 1),
        fetched_at = case when excluded.detailed_at is null and releases.detailed_at is not null
                     then releases.fetched_at else excluded.fetched_at end,
        detailed_at = coalesce(excluded.detailed_at, releases.detailed_at),
        followed_at = coalesce(excluded.followed_at, releases.followed_at)
    returning id, external_id
"""
_EPISODES = """
    insert into episodes (release_id, external_id, ordinal, name, name_english, preview, duration, sources,
                          rutube_id, youtube_id, opening, ending, sort_order, updated_at)
    select release_id, external_id, ordinal, name, name_english, preview, duration, sources,
           rutube_id, youtube_id, nullif(opening, 'null'), nullif(ending, 'null'), sort_order, updated_at
    from jsonb_to_recordset(cast(:rows as jsonb)) as r(
        release_id int, external_id text, ordinal double precision, name text, name_english text,
        preview text, duration int, sources jsonb, rutube_id text, youtube_id text, opening jsonb,
        ending jsonb, sort_order int, updated_at timestamptz)
    on conflict (release_id, external_id) do update set
        ordinal = excluded.ordinal, name = excluded.name, name_english = excluded.name_english,
        preview = excluded.preview, duration = excluded.duration, sources = excluded.sources,
        rutube_id = excluded.rutube_id, youtube_id = excluded.youtube_id, opening = excluded.opening,
        ending = excluded.ending, sort_order = excluded.sort_order, updated_at = excluded.updated_at
"""
_GONE = """
    delete from episodes e where e.release_id = any(:ids) and not exists (
        select 1 from jsonb_to_recordset(cast(:rows as jsonb)) as r(release_id int, external_id text)
        where r.release_id = e.release_id and r.external_id = e.external_id)
"""
_KNOWN = """
    select r.id, r.external_id, r.status, r.fresh_at, r.updated_at, r.latest_ordinal, r.anime_id,
           r.detailed_at, r.followed_at,
           r.seen_ordinals as ordinals
    from releases r where r.external_id = any(:ids) order by r.id for update of r
"""


@dataclass(frozen=True, slots=True)
class Known:
    """The stored state of a release before the source's new data is written.

    ``ordinals`` are the numbers of all episodes that its details have ever had.
    """

    id: int
    external_id: int
    status: Status
    fresh_at: datetime | None
    updated_at: datetime | None
    latest_ordinal: float | None
    anime_id: int | None
    detailed_at: datetime | None
    followed_at: datetime | None
    ordinals: frozenset[float]


class ReleaseWriter:
    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def list_known(self, external_ids: Sequence[int]) -> dict[int, Known]:
        """The stored releases with these ids of the source, by that id; locks the rows."""
        rows = await self._session.execute(text(_KNOWN), {"ids": sorted(external_ids)})
        return {
            row.external_id: Known(**{**row._mapping, "ordinals": frozenset(row.ordinals)}) for row in rows
        }

    async def upsert(self, releases: Sequence[UpstreamRelease], *, fetched_at: datetime) -> dict[int, int]:
        """Store the releases; returns our ids by the source's. Summaries do not overwrite stored details."""
        if not releases:
            return {}
        rows = orjson.dumps([_row(release) for release in releases]).decode()
        stored = await self._session.execute(text(_UPSERT), {"rows": rows, "fetched_at": fetched_at})
        ids = {row.external_id: row.id for row in stored}
        given = {ids[one.external_id]: one.episodes for one in releases if one.episodes is not None}
        await self._replace_episodes(given)
        return ids

    async def mark_followed(self, external_ids: Sequence[int]) -> None:
        """Record that changes of these releases up to their stored state have been processed."""
        statement = text(
            "update releases set followed_at = coalesce(greatest(fresh_at, updated_at), 'epoch') "
            "where external_id = any(:ids)"
        )
        await self._session.execute(statement, {"ids": list(external_ids)})

    async def mark_stale(self, external_id: int | None) -> None:
        """Make the next read of a release, or of all if None, ask the source again."""
        statement = text(
            "update releases set fetched_at = 'epoch' where detailed_at is not null "
            "and (cast(:id as int) is null or external_id = :id)"
        )
        await self._session.execute(statement, {"id": external_id})

    async def touch(self, external_id: int, *, fetched_at: datetime) -> None:
        """Record that the source was asked and had nothing newer."""
        statement = text("update releases set fetched_at = :at where external_id = :id")
        await self._session.execute(statement, {"id": external_id, "at": fetched_at})

    async def _replace_episodes(self, given: Mapping[int, Sequence[UpstreamEpisode]]) -> None:
        """Replace the episodes of each release."""
        if not given:
            return
        rows = orjson.dumps(
            [
                {"release_id": id_, **asdict(episode)}
                for id_, episodes in given.items()
                for episode in episodes
            ]
        ).decode()
        await self._session.execute(text(_GONE), {"ids": list(given), "rows": rows})
        await self._session.execute(text(_EPISODES), {"rows": rows})


def _row(release: UpstreamRelease) -> dict[str, Any]:
    episodes = [*(release.episodes or ()), *([release.latest] if release.latest else [])]
    return {
        **{name: getattr(release, name) for name in _COLUMNS},
        "genres": release.genres,
        "latest_ordinal": max((episode.ordinal for episode in episodes), default=None),
        "seen_ordinals": sorted({episode.ordinal for episode in release.episodes or ()}),
        "detailed": release.episodes is not None,
    }
