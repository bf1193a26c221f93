"""Store chunks of a dump: new titles by COPY, known ones by one merging statement."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import exc, text

from app.models import Base
from app.repositories.columns import (
    NAMES,
    STATED,
    VALUES,
    StudioIds,
    TagIds,
    merged,
    names_of,
    season_and_year,
    values_of,
)
from app.repositories.labels import LabelRepository
from app.repositories.names import COPIED, NameRepository, copied, union
from app.schemas.domain.anime import NameSource, UpstreamAnime, UpstreamStudio, UpstreamTag
from app.schemas.domain.dumps import PlannedTitle, StoredTitle
from app.utils.db.database import Transaction

_TIMEOUT = 300.0  # seconds per statement; requests have a much shorter timeout
_LABELS_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class KnownLabels:
    """Cache of label ids for the chunks of one run; labels are never deleted, so it cannot become stale."""

    tags: dict[UpstreamTag, int] = field(default_factory=dict)
    studios: dict[UpstreamStudio, int] = field(default_factory=dict)


class DumpRepository:
    """Call :meth:`begin` first; it keeps other writers out until the transaction ends.

    ``source`` is the format of the dump, under which its names are stored; ``dated`` is its date.
    """

    def __init__(
        self, tx: Transaction, known: KnownLabels, *, source: NameSource, dated: date | None
    ) -> None:
        self._tx = tx
        self._session = tx.session
        self._labels = LabelRepository(tx)
        self._names = NameRepository(tx, source)
        self._known = known
        self._source: NameSource = source
        self._dated = dated

    async def begin(self) -> None:
        await self._session.execute(_SET_TIMEOUTS)
        await (await self._tx.driver()).execute(_LOCK, timeout=_TIMEOUT)

    async def stored(self, mal_ids: Collection[int], anilist_ids: Collection[int]) -> list[StoredTitle]:
        """The stored titles with one of these ids."""
        ids = {"mal_ids": list(mal_ids), "anilist_ids": list(anilist_ids), "source": self._source}
        return [StoredTitle(*row) for row in await self._session.execute(_STORED, ids)]

    async def reassign_references(self, pairs: Sequence[tuple[int, int]]) -> set[int]:
        """Move the rows of lists, favourites etc. from the second title of each pair to the first.

        If a user has rows for both, the pair is left unchanged and its second id is returned.
        """
        refused: set[int] = set()
        for survivor, old in pairs:
            try:
                async with self._session.begin_nested():
                    for statement in _REASSIGN:
                        await self._session.execute(statement, {"survivor": survivor, "old": old})
            except exc.IntegrityError:
                refused.add(old)
        return refused

    async def absorb(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Fill gaps of the first title of each pair from the second, and delete the second."""
        await self._names.absorb(pairs)
        for survivor, old in pairs:
            await self._session.execute(_ABSORB, {"survivor": survivor, "old": old})
            await self._session.execute(_DELETE, {"old": old})

    async def clear_anilist_ids(self, ids: Collection[int]) -> None:
        """Clear the AniList ids of these titles, so that others can have them."""
        if ids:
            await self._session.execute(_CLEAR_ANILIST_IDS, {"ids": list(ids)})

    async def insert(self, titles: Sequence[PlannedTitle]) -> None:
        if not titles:
            return
        tags, studios = await self._label_ids(titles)
        driver = await self._tx.driver()
        ids = [row["id"] for row in await driver.fetch(_NEW_IDS, len(titles))]
        numbered = list(zip(ids, titles, strict=True))
        records = ((id_, *_new_record(title, tags, studios), self._dated) for id_, title in numbered)
        await self._copy("anime", ["id", *_COLUMNS, "dumped_on"], records)
        if self._source != "dump":
            names = (copied(id_, self._source, self._dated, title.anime) for id_, title in numbered)
            await self._copy("anime_names", COPIED, names)

    async def store_names(self, titles: Mapping[int, UpstreamAnime], *, overwrite: bool) -> None:
        """Store the dump's names of existing titles, by our id; :meth:`merge` then updates the titles."""
        await self._names.state(titles, dated=self._dated, overwrite=overwrite)

    async def merge(self, titles: Sequence[PlannedTitle]) -> set[int]:
        """Update stored titles from the dump; returns the ids of those that changed."""
        if not titles:
            return set()
        tags, studios = await self._label_ids(titles)
        driver = await self._tx.driver()
        await driver.execute(_INCOMING)
        records = ((title.target, title.overwrite, *_record(title, tags, studios)) for title in titles)
        await self._copy("incoming_titles", ["target", "overwrite", *_COLUMNS], records)
        changed = {row["id"] for row in await driver.fetch(_CHANGED, timeout=_TIMEOUT)}
        if changed:
            await driver.execute(_MERGE, list(changed), self._dated, timeout=_TIMEOUT)
        confirmed = [title.target for title in titles if title.overwrite and title.target not in changed]
        if self._dated is not None and confirmed:
            await self._date(confirmed, self._dated)
        return changed

    async def analyze(self) -> None:
        """Update the planner's statistics, and flush the pending lists of the search indexes."""
        await (await self._tx.driver()).execute(_ANALYZE, timeout=_TIMEOUT)

    async def _date(self, ids: Sequence[int | None], dated: date) -> None:
        older = (await self._session.execute(_OLDER, {"ids": ids, "dated": dated})).scalars().all()
        if older:
            await self._session.execute(_DATE, {"ids": older, "dated": dated})

    async def _label_ids(self, titles: Sequence[PlannedTitle]) -> tuple[TagIds, StudioIds]:
        tags, studios = self._known.tags, self._known.studios
        if len(studios) + len(tags) > _LABELS_KEPT:
            tags.clear()
            studios.clear()
        new_tags = {tag for title in titles for tag in title.anime.tags if tag not in tags}
        new_studios = {studio for title in titles for studio in title.anime.studios if studio not in studios}
        tags.update(await self._labels.ids_of_tags(new_tags))
        studios.update(await self._labels.ids_of_studios(new_studios))
        return tags, studios

    async def _copy(self, table: str, columns: Sequence[str], records: Iterable[tuple[Any, ...]]) -> None:
        driver = await self._tx.driver()
        await driver.copy_records_to_table(table, records=records, columns=columns, timeout=_TIMEOUT)


def _record(title: PlannedTitle, tags: TagIds, studios: StudioIds) -> tuple[Any, ...]:
    """The values of ``_COLUMNS``."""
    *main, synonyms = names_of(title.anime)
    *plain, images, broadcast, tag_ids, studio_ids = values_of(title.anime, tags, studios)
    return (
        title.mal_id, title.anilist_id, *main, synonyms or [],
        *plain, _json(images), _json(broadcast), tag_ids, studio_ids,
    )  # fmt: skip


def _new_record(title: PlannedTitle, tags: TagIds, studios: StudioIds) -> list[Any]:
    """Like :func:`_record`, with the season and the year derived from the date.

    Deriving them after the COPY would update most rows, and all their index entries, a second time.
    """
    record = list(_record(title, tags, studios))
    record[_SEASON], record[_YEAR] = season_and_year(title.anime)
    return record


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)


_COLUMNS = ("mal_id", "anilist_id", *STATED)
_SEASON, _YEAR = _COLUMNS.index("season"), _COLUMNS.index("year")

_SET_TIMEOUTS = text(f"""
    select set_config('statement_timeout', '{_TIMEOUT:.0f}s', true),
           set_config('lock_timeout', '{_TIMEOUT:.0f}s', true)
""")
_LOCK = "select from catalogue_version for no key update"

_STORED = text("""
    select a.id, a.mal_id, a.anilist_id, a.dumped_on,
           exists (select from anime_syncs s where s.anime_id = a.id),
           case when n.source is null then a.dumped_on else n.dated end
    from (
        select id from anime where mal_id = any(cast(:mal_ids as int[]))
        union
        select id from anime where anilist_id = any(cast(:anilist_ids as int[]))
    ) as meant
    join anime a using (id)
    left join anime_names n on n.anime_id = a.id and n.source = :source
""")

# Every reference to a title is in a column of this name, with or without a foreign key.
_PARTS = {"anime_names", "anime_syncs"}
_REASSIGN = [
    text(f"update {table.name} set anime_id = :survivor where anime_id = :old")
    for table in Base.metadata.sorted_tables
    if "anime_id" in table.columns and table.name not in _PARTS
]

_NEWER = """
    (theirs.dumped_on > coalesce(ours.dumped_on, '-infinity')
     and not exists (select from anime_syncs where anime_id = ours.id))
"""
_ABSORB = text(f"""
    update anime as ours
    set {", ".join(f"{name} = {merged(name, 'theirs', 'ours', _NEWER)}" for name in VALUES)},
        {", ".join(f"{name} = named.{name}" for name in NAMES)},
        dumped_on = greatest(ours.dumped_on, theirs.dumped_on), updated_at = now()
    from anime as theirs, ({union("= :survivor")}) as named where ours.id = :survivor and theirs.id = :old
""")
_DELETE = text("delete from anime where id = :old")
_CLEAR_ANILIST_IDS = text(
    "update anime set anilist_id = null, updated_at = now() where id = any(cast(:ids as int[]))"
)

_NEW_IDS = """
    select nextval(pg_get_serial_sequence('anime', 'id'))::int as id from generate_series(1, $1::int)
"""
_INCOMING = (
    "create temporary table if not exists incoming_titles"
    " (target int, overwrite boolean, mal_id int, anilist_id int, "
    + ", ".join(f"{name} {kind}" for name, kind in STATED.items())
    + ") on commit delete rows; truncate incoming_titles"
)
_MERGED = f"""
    select theirs.target, theirs.overwrite, theirs.mal_id, theirs.anilist_id,
           {", ".join(f"named.{name}" for name in NAMES)},
           {", ".join(f"{merged(name, 'theirs', 'ours', 'theirs.overwrite')} as {name}" for name in VALUES)}
    from incoming_titles as theirs join anime as ours on ours.id = theirs.target
    join ({union("in (select target from incoming_titles)")}) as named on named.anime_id = ours.id
"""
_CHANGED = f"""
    select anime.id from anime join ({_MERGED}) as m on m.target = anime.id
    where ({", ".join(f"anime.{name}" for name in _COLUMNS)})
          is distinct from ({", ".join(f"m.{name}" for name in _COLUMNS)})
"""
_MERGE = f"""
    update anime
    set {", ".join(f"{name} = m.{name}" for name in _COLUMNS)},
        dumped_on = case when m.overwrite then greatest(anime.dumped_on, $2::date)
                         else anime.dumped_on end,
        updated_at = now()
    from ({_MERGED}) as m
    where anime.id = m.target and anime.id = any($1::int[])
"""
_OLDER = text("""
    select id from anime
    where id = any(cast(:ids as int[])) and coalesce(dumped_on, '-infinity') < :dated
""")
_DATE = text("update anime set dumped_on = :dated where id = any(cast(:ids as int[]))")

# A sufficient sample of the table; autovacuum takes a larger one later.
_ANALYZE = """
    select gin_clean_pending_list('ix_anime_search_text'), gin_clean_pending_list('ix_anime_tag_ids');
    set local default_statistics_target = 30;
    analyze anime
"""
