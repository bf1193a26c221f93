"""SQL that writes titles as stated by an upstream or an operator."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from app.errors import Duplicate
from app.repositories.columns import NAMES, STATED, VALUES, merged, names_of, values_of, with_dates
from app.repositories.labels import LabelRepository
from app.repositories.names import NameRepository, union
from app.repositories.relations import RelationRepository
from app.schemas.domain.anime import Upserted, UpstreamAnime
from app.utils.db.database import Transaction


class AlreadyInCatalogue(Duplicate):
    default_message = "This title is in the catalogue already."


class CatalogueRepository:
    """Writers of the catalogue are serialised, so that none sees the partial changes of another."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._session = tx.session
        self._labels = LabelRepository(tx)
        self._relations = RelationRepository(tx)

    async def lock(self) -> None:
        """Block other writers until the transaction ends; the triggers of the tables lock the same row."""
        await self._session.execute(_LOCK)

    async def upsert(self, items: Sequence[UpstreamAnime], *, synced_at: datetime) -> Upserted:
        """Store MyAnimeList's data as of ``synced_at``, unless newer data is stored already.

        Missing values erase nothing, and names of other sources are kept. For an unchanged title only the
        time of its sync is written.
        """
        by_mal_id = {item.mal_id: item for item in items if item.mal_id is not None}
        if not by_mal_id:
            return Upserted({})
        await self.lock()
        stored = {row.mal_id: row for row in await self._stored(by_mal_id, synced_at)}
        late = {mal_id for mal_id, row in stored.items() if row.late}
        heard = [by_mal_id[mal_id] for mal_id in sorted(by_mal_id.keys() - late)]
        rows = await self._rows(heard)
        added = await self._insert(rows) if len(heard) > len(stored) - len(late) else {}
        ids = {mal_id: row.id for mal_id, row in stored.items()}
        updated = await self._update({ids[item.mal_id]: item for item in heard if item.mal_id in ids}, rows)
        ids |= added
        await NameRepository(self._tx, "mal").add({ids[mal_id]: by_mal_id[mal_id] for mal_id in added})
        moved = {"ids": [ids[mal_id] for mal_id in by_mal_id.keys() - late], "synced_at": synced_at}
        await self._session.execute(_SYNC, moved)
        related = await self._relate([item for item in heard if item.relations is not None])
        return Upserted(ids, frozenset(added.values()), updated | related)

    async def create(self, item: UpstreamAnime) -> int:
        """Add a title by hand; raises :class:`AlreadyInCatalogue` with the ``id`` of an existing one."""
        await self.lock()
        rows = await self._rows([item])
        created = (await self._session.execute(_CREATE, {"rows": rows})).first()
        if created is None:
            ids = {"mal_id": item.mal_id, "anilist_id": item.anilist_id}
            there = (await self._session.execute(_SAME, ids)).one()
            raise AlreadyInCatalogue("mal_id" if there.has_mal_id else "anilist_id", id=there.id)
        await NameRepository(self._tx, "manual").add({created.id: item}, dated=created.dumped_on)
        return int(created.id)

    async def _stored(self, mal_ids: Collection[int], synced_at: datetime) -> Iterable[Any]:
        return await self._session.execute(_STORED, {"mal_ids": list(mal_ids), "synced_at": synced_at})

    async def _insert(self, rows: str) -> dict[int, int]:
        """Insert the titles that are missing; returns their ids by MyAnimeList id."""
        return {row.mal_id: row.id for row in await self._session.execute(_INSERT, {"rows": rows})}

    async def _update(self, known: dict[int, UpstreamAnime], rows: str) -> frozenset[int]:
        """Merge new data into stored titles; returns the ids of those that changed."""
        if not known:
            return frozenset()
        await NameRepository(self._tx, "mal").state(known)
        parameters = {"rows": rows, "ids": list(known)}
        changed = list((await self._session.execute(_CHANGED, parameters)).scalars())
        if changed:
            await self._session.execute(_UPDATE, {"rows": rows, "ids": changed})
        return frozenset(changed)

    async def _relate(self, items: Sequence[UpstreamAnime]) -> frozenset[int]:
        """Store the relations that MAL states; returns the ids of the titles whose relations changed."""
        stated = {item.mal_id: item.relations or () for item in items if item.mal_id is not None}
        changed = await self._relations.replace("mal", stated)
        return await self._relations.ids_by_mal(changed)

    async def _rows(self, items: Sequence[UpstreamAnime]) -> str:
        tags = await self._labels.ids_of_tags({tag for item in items for tag in item.tags})
        studios = await self._labels.ids_of_studios({studio for item in items for studio in item.studios})
        rows: list[dict[str, Any]] = []
        claimed: set[int] = set()
        for item in items:
            ids = {"mal_id": item.mal_id, "anilist_id": None}
            if item.anilist_id is not None and item.anilist_id not in claimed:
                claimed.add(item.anilist_id)
                ids["anilist_id"] = item.anilist_id
            stated = zip(STATED, (*names_of(item), *values_of(item, tags, studios)), strict=True)
            rows.append(ids | {**dict(stated), "synonyms": names_of(item)[-1] or []})
        return json.dumps(rows)


_COLUMNS = ", ".join(STATED)
_GIVEN = ", ".join(with_dates(name, "x") for name in STATED)
_ROWS = "jsonb_to_recordset(cast(:rows as jsonb)) as {alias}(mal_id int, anilist_id int, " + (
    ", ".join(f"{name} {kind}" for name, kind in STATED.items()) + ")"
)

_LOCK = text("select from catalogue_version for no key update")
_SAME = text("""
    select id, coalesce(mal_id = :mal_id, false) as has_mal_id from anime
    where mal_id = :mal_id or anilist_id = :anilist_id order by id limit 1
""")
_STORED = text("""
    select a.id, a.mal_id, coalesce(s.synced_at > :synced_at, false) as late
    from anime a left join anime_syncs s on s.anime_id = a.id
    where a.mal_id = any(cast(:mal_ids as int[]))
""")
_SYNC = text("""
    insert into anime_syncs (anime_id, synced_at)
    select id, :synced_at from unnest(cast(:ids as int[])) as id order by id
    on conflict (anime_id) do update set synced_at = excluded.synced_at
    where anime_syncs.synced_at < excluded.synced_at
""")

_NOBODYS = """
    case when not exists (select from anime as o
                          where o.anilist_id = {row}.anilist_id and o.mal_id is distinct from {row}.mal_id)
         then {row}.anilist_id end
"""
_INSERT = text(f"""
    insert into anime (mal_id, anilist_id, {_COLUMNS})
    select x.mal_id, {_NOBODYS.format(row="x")}, {_GIVEN}
    from {_ROWS.format(alias="x")}
    where not exists (select from anime a where a.mal_id = x.mal_id)
    order by x.mal_id
    returning id, mal_id
""")

_WRITTEN = ("anilist_id", *STATED)
_MERGED = f"""
    select ours.id, coalesce(ours.anilist_id, {_NOBODYS.format(row="theirs")}) as anilist_id,
           {", ".join(f"named.{name}" for name in NAMES)},
           {", ".join(f"{merged(name, 'theirs', 'ours', 'true')} as {name}" for name in VALUES)}
    from {_ROWS.format(alias="theirs")}
    join anime as ours on ours.mal_id = theirs.mal_id
    join ({union("= any(cast(:ids as int[]))")}) as named on named.anime_id = ours.id
"""
_CHANGED = text(f"""
    select anime.id from anime join ({_MERGED}) as m on m.id = anime.id
    where ({", ".join(f"anime.{name}" for name in _WRITTEN)})
          is distinct from ({", ".join(f"m.{name}" for name in _WRITTEN)})
""")
_UPDATE = text(f"""
    update anime set {", ".join(f"{name} = m.{name}" for name in _WRITTEN)}, updated_at = now()
    from ({_MERGED}) as m where anime.id = m.id
""")

# Dated today, so that an older dump does not overwrite a manual edit.
_CREATE = text(f"""
    insert into anime (mal_id, anilist_id, {_COLUMNS}, dumped_on)
    select x.mal_id, x.anilist_id, {_GIVEN}, current_date from {_ROWS.format(alias="x")}
    on conflict do nothing
    returning id, dumped_on
""")
