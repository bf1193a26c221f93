"""SQL of relations between titles, as each source states them."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import text

from app.schemas.domain.relations import (
    ListMark,
    RelatedTitle,
    RelationType,
    StoredRelation,
    UpstreamRelation,
)
from app.schemas.domain.watching import AnimeCard
from app.utils.db.database import Driver, Transaction

_TIMEOUT = 60.0  # seconds; a chunk of a dump has thousands of relations


class RelationRepository:
    """Writes relations; all ids are those of MyAnimeList."""

    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def add(self, relations: Iterable[StoredRelation]) -> tuple[int, int]:
        """Add new relations, and names that were missing; returns how many were added and updated."""
        rows = {(r.from_id, r.media_type, r.to_id, r.type, r.source): r for r in relations}
        found = await self._session.execute(_ADD, {"rows": _json(rows.values())})
        changed = found.all()
        await self._count(changed)
        added = sum(row.added for row in changed)
        return added, len(changed) - added

    async def replace(self, source: str, stated: Mapping[int, Sequence[UpstreamRelation]]) -> set[int]:
        """Replace all relations that ``source`` states about these titles.

        Returns the MyAnimeList ids of the anime, on both sides, whose relations changed.
        """
        if not stated:
            return set()
        rows = [
            StoredRelation(r.from_id, r.to_id, r.type, source, r.media_type, r.title)
            for relations in stated.values()
            for r in relations
        ]
        parameters = {"rows": _json(rows), "source": source, "ids": list(stated)}
        gone = (await self._session.execute(_RETRACT, parameters)).all()
        new = (await self._session.execute(_ADD, parameters)).all()
        return await self._count([*gone, *new])

    async def _count(self, changed: Sequence[Any]) -> set[int]:
        """Recount the relations of the anime in these rows; returns their ids."""
        ids = {row.from_id for row in changed} | {row.to_id for row in changed if row.media_type == "anime"}
        if ids:
            await self._session.execute(_COUNT, {"ids": sorted(ids)})
        return ids

    async def ids_by_mal(self, mal_ids: Collection[int]) -> frozenset[int]:
        """Our ids of these titles; those not in the catalogue are left out."""
        if not mal_ids:
            return frozenset()
        return frozenset((await self._session.execute(_OURS, {"mal_ids": list(mal_ids)})).scalars())


class RelationReads:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find_title(self, anime_id: int) -> RelatedTitle | None:
        row = await self._driver.fetchrow(f"select {_TITLE} from anime a where a.id = $1", anime_id)
        return None if row is None else _title(row)

    async def list_around(self, mal_id: int) -> list[StoredRelation]:
        """All recorded relations from and to a title."""
        return [StoredRelation(**row) for row in await self._driver.fetch(_AROUND, mal_id)]

    async def list_between(self, mal_ids: Collection[int]) -> list[StoredRelation]:
        """All recorded relations among these anime."""
        return [StoredRelation(**row) for row in await self._driver.fetch(_BETWEEN, list(mal_ids))]

    async def component(self, mal_id: int, types: Collection[RelationType]) -> set[int]:
        """The ids of all anime connected with a title by relations of these types, itself included."""
        rows = await self._driver.fetch(_COMPONENT, mal_id, list(types))
        return {row["id"] for row in rows}

    async def titles(self, mal_ids: Collection[int]) -> dict[int, RelatedTitle]:
        """Those of the titles that are in the catalogue, by MyAnimeList id."""
        rows = await self._driver.fetch(
            f"select {_TITLE} from anime a where a.mal_id = any($1::int[])", list(mal_ids)
        )
        titles = map(_title, rows)
        return {title.card.mal_id: title for title in titles if title.card.mal_id is not None}

    async def marks(self, user_id: int, anime_ids: Collection[int]) -> dict[int, ListMark]:
        """The user's status, progress and score of those titles that are on the list, by our ids."""
        rows = await self._driver.fetch(_MARKS, user_id, list(anime_ids))
        return {row["anime_id"]: ListMark(row["status"], row["progress"], row["score"]) for row in rows}

    async def edges(self) -> list[tuple[int, int, RelationType]]:
        """All relations between anime of the catalogue, by our ids.

        ``(a, b, type)``, where ``b`` is the ``type`` of ``a``.
        """
        return [tuple(row) for row in await self._driver.fetch(_EDGES, timeout=_TIMEOUT)]


RELATIONS_COUNT = "coalesce((select relations from relation_counts c where c.mal_id = a.mal_id), 0)"
"""SQL for the number of relations of the title ``a``, inverses included."""


def _json(relations: Iterable[StoredRelation]) -> str:
    return json.dumps(
        [
            {
                "from_id": r.from_id,
                "to_id": r.to_id,
                "type": r.type,
                "source": r.source,
                "media_type": r.media_type,
                "title": r.title,
            }
            for r in relations
        ]
    )


def _title(row: Any) -> RelatedTitle:
    card = AnimeCard(*(row[name] for name in _CARD))
    return RelatedTitle(card, row["type"], row["aired_from"], row["duration_minutes"])


_COLUMNS = "from_id, to_id, type, source, media_type, title"
_CARD = [field.name for field in fields(AnimeCard)]
_TITLE = f"{', '.join(f'a.{name}' for name in _CARD)}, a.type, a.aired_from, a.duration_minutes"
_ROWS = """
    jsonb_to_recordset(cast(:rows as jsonb))
    as x(from_id int, to_id int, type text, source text, media_type text, title text)
"""
_ADD = text(f"""
    insert into anime_relations as r ({_COLUMNS})
    select {_COLUMNS} from {_ROWS} order by from_id, media_type, to_id, type, source
    on conflict (from_id, media_type, to_id, type, source) do update set title = excluded.title
    where excluded.title is not null and r.title is distinct from excluded.title
    returning from_id, to_id, media_type, xmax = 0 as added
""")
_RETRACT = text(f"""
    delete from anime_relations r
    where r.from_id = any(cast(:ids as int[])) and r.source = :source
      and not exists (
          select from {_ROWS}
          where (x.from_id, x.media_type, x.to_id, x.type) = (r.from_id, r.media_type, r.to_id, r.type))
    returning from_id, to_id, media_type
""")
_OURS = text("select id from anime where mal_id = any(cast(:mal_ids as int[]))")

_AROUND = f"""
    select {_COLUMNS} from anime_relations where from_id = $1
    union all
    select {_COLUMNS} from anime_relations where to_id = $1 and media_type = 'anime' and from_id <> $1
"""
_BETWEEN = f"""
    select {_COLUMNS} from anime_relations
    where from_id = any($1::int[]) and to_id = any($1::int[]) and media_type = 'anime'
"""
_COMPONENT = """
    with recursive member(id) as (
        select $1::int
        union
        select other.id from member m cross join lateral (
            select to_id as id from anime_relations
            where from_id = m.id and media_type = 'anime' and type = any($2::text[])
            union all
            select from_id from anime_relations
            where to_id = m.id and media_type = 'anime' and type = any($2::text[])
        ) other
    )
    select id from member
"""
_MARKS = """
    select anime_id, status, progress, score / 10.0::float8 as score from entries
    where user_id = $1 and anime_id = any($2::int[])
"""
_EDGES = """
    select f.id, t.id, r.type from anime_relations r
    join anime f on f.mal_id = r.from_id join anime t on t.mal_id = r.to_id
    where r.media_type = 'anime'
"""

# If both sides are recorded, each counts its own record; the two directions of a contradiction count once.
_COUNT = text("""
    insert into relation_counts (mal_id, relations)
    select asked.id, (
        select count(distinct (media_type, known.id, case type
            when 'prequel' then 'sequel' when 'parent_story' then 'side_story'
            when 'full_story' then 'summary' else type end))
        from (
            select media_type, to_id as id, type from anime_relations where from_id = asked.id
            union all
            select 'anime', r.from_id, case r.type when 'spin_off' then 'side_story' else r.type end
            from anime_relations r
            where r.to_id = asked.id and r.media_type = 'anime' and r.type <> 'adaptation'
              and not exists (select from anime_relations own
                              where own.from_id = asked.id and own.media_type = 'anime'
                                and own.to_id = r.from_id)
        ) known)
    from unnest(cast(:ids as int[])) as asked(id)
    on conflict (mal_id) do update set relations = excluded.relations
    where relation_counts.relations <> excluded.relations
""")
