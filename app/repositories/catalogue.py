"""Writes titles as an upstream or a person states them."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from app.errors import Conflict
from app.repositories.columns import STATED, label_ids
from app.repositories.labels import LabelRepository
from app.schemas.domain.anime import TITLE_MAX, Upserted, UpstreamAnime
from app.utils.database import Transaction


class CatalogueRepository:
    """Every writer of the catalogue waits for the one before, so that none sees half of another's work."""

    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session
        self._labels = LabelRepository(tx)

    async def lock(self) -> None:
        """Keep other writers out until the transaction ends; the trigger on the tables takes the same row."""
        await self._session.execute(_LOCK)

    async def upsert(self, items: Sequence[UpstreamAnime], *, synced_at: datetime) -> Upserted:
        """Store what MAL says at ``synced_at``, unless something newer is stored already.

        A null is MAL's word and erases ours, but in the columns that MAL does not keep for every title.
        What is as it was moves ``synced_at`` only.
        """
        by_mal_id = {item.mal_id: item for item in items if item.mal_id is not None}
        if not by_mal_id:
            return Upserted({}, 0, 0, 0)
        await self.lock()
        rows = await self._rows(sorted(by_mal_id.values(), key=lambda item: item.mal_id or 0))
        written = (await self._session.execute(_UPSERT, {"rows": rows, "synced_at": synced_at})).all()
        ids = {row.mal_id: row.id for row in written}
        if missing := by_mal_id.keys() - ids.keys():
            found = await self._session.execute(_IDS, {"mal_ids": list(missing)})
            ids.update({row.mal_id: row.id for row in found})
        added = sum(row.added for row in written)
        updated = sum(row.changed and not row.added for row in written)
        return Upserted(ids, added, updated, len(by_mal_id) - added - updated)

    async def create(self, item: UpstreamAnime) -> int:
        """Add a title that a person states. Raises :class:`Conflict` with the ``id`` of one that is there."""
        await self.lock()
        rows = await self._rows([item])
        created: int | None = (await self._session.execute(_CREATE, {"rows": rows})).scalar()
        if created is None:
            ids = {"mal_id": item.mal_id, "anilist_id": item.anilist_id}
            there = (await self._session.execute(_SAME, ids)).scalar_one()
            raise Conflict("This title is in the catalogue already.", details={"id": there})
        return created

    async def _rows(self, items: Sequence[UpstreamAnime]) -> str:
        tags = await self._labels.ids_of_tags({tag for item in items for tag in item.tags})
        studios = await self._labels.ids_of_studios({studio for item in items for studio in item.studios})
        rows: list[dict[str, Any]] = []
        claimed: set[int] = set()
        for item in items:
            tag_ids, studio_ids = label_ids(item, tags, studios)
            stated = {name: getattr(item, name) for name in STATED if hasattr(item, name)}
            ids = {"mal_id": item.mal_id, "anilist_id": None}
            if item.anilist_id is not None and item.anilist_id not in claimed:
                claimed.add(item.anilist_id)
                ids["anilist_id"] = item.anilist_id
            stated |= {"title": item.title[:TITLE_MAX], "tag_ids": tag_ids, "studio_ids": studio_ids, **ids}
            rows.append(stated)
        return json.dumps(rows)


# MAL keeps a season and a year for series only, and knows neither Russian titles nor AniList.
_KEPT = {"title_russian", "season", "year", "is_adult"}

_COLUMNS = ", ".join(STATED)
_GIVEN = ", ".join(f"x.{name}" for name in STATED)
_ROWS = (
    "jsonb_to_recordset(cast(:rows as jsonb)) as x(mal_id int, anilist_id int, "
    + ", ".join(f"{name} {kind}" for name, kind in STATED.items())
    + ")"
)
_NEW = {
    **{
        name: f"coalesce(excluded.{name}, anime.{name})" if name in _KEPT else f"excluded.{name}"
        for name in STATED
    },
    "anilist_id": "coalesce(anime.anilist_id, excluded.anilist_id)",
}

_LOCK = text("select from catalogue_version for no key update")
_IDS = text("select id, mal_id from anime where mal_id = any(cast(:mal_ids as int[]))")
_SAME = text("select id from anime where mal_id = :mal_id or anilist_id = :anilist_id order by id limit 1")

_UPSERT = text(f"""
    insert into anime (mal_id, anilist_id, {_COLUMNS}, synced_at)
    select x.mal_id,
           case when not exists (select from anime as o
                                 where o.anilist_id = x.anilist_id and o.mal_id is distinct from x.mal_id)
                then x.anilist_id end,
           {_GIVEN}, :synced_at
    from {_ROWS} order by x.mal_id
    on conflict (mal_id) do update
    set {", ".join(f"{name} = {value}" for name, value in _NEW.items())},
        synced_at = excluded.synced_at,
        updated_at = case when ({", ".join(f"anime.{name}" for name in _NEW)})
                               is distinct from ({", ".join(_NEW.values())})
                          then now() else anime.updated_at end
    where anime.synced_at is null or anime.synced_at <= excluded.synced_at
    returning id, mal_id, xmax = 0 as added, updated_at = now() as changed
""")

# Dated today, so that an older dump does not undo what somebody wrote by hand.
_CREATE = text(f"""
    insert into anime (mal_id, anilist_id, {_COLUMNS}, dumped_on)
    select x.mal_id, x.anilist_id, {_GIVEN}, current_date from {_ROWS}
    on conflict do nothing
    returning id
""")
