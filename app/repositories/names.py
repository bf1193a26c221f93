"""SQL of titles' names per source, and of their union."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import TextClause, text

from app.repositories.columns import NAMES, names_of
from app.schemas.domain.anime import NameSource, UpstreamAnime
from app.utils.db.database import Transaction


class NameRepository:
    """The caller must hold the lock of :class:`CatalogueRepository`."""

    def __init__(self, tx: Transaction, source: NameSource) -> None:
        self._session = tx.session
        self._source = source

    async def add(self, titles: Mapping[int, UpstreamAnime], *, dated: date | None = None) -> None:
        """Store the source's names of new titles, by id."""
        if titles:
            await self._write(_OVERWRITE, titles, dated)

    async def state(
        self, titles: Mapping[int, UpstreamAnime], *, dated: date | None = None, overwrite: bool = True
    ) -> None:
        """Store the source's names of existing titles, by id.

        They replace the source's earlier names, or only fill gaps if they are older. Null erases nothing; an
        empty list of synonyms removes those of this source.
        """
        if not titles:
            return
        await self._session.execute(_ADOPT, {"ids": list(titles)})
        await self._write(_OVERWRITE if overwrite else _COMPLETE, titles, dated)

    async def absorb(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Merge the names of the second title of each pair into the first; per source the later ones win."""
        for survivor, old in pairs:
            await self._session.execute(_ADOPT, {"ids": [survivor, old]})
            await self._session.execute(_ABSORB, {"survivor": survivor, "old": old})

    async def _write(
        self, statement: TextClause, titles: Mapping[int, UpstreamAnime], dated: date | None
    ) -> None:
        rows = json.dumps(
            [
                {"anime_id": id_, **dict(zip(NAMES, names_of(anime), strict=True))}
                for id_, anime in titles.items()
            ]
        )
        await self._session.execute(statement, {"rows": rows, "source": self._source, "dated": dated})


def copied(anime_id: int, source: NameSource, dated: date | None, anime: UpstreamAnime) -> tuple[Any, ...]:
    """The COPY record of a new title, with the columns ``COPIED``."""
    return (anime_id, source, dated, *names_of(anime))


def union(ids: str) -> str:
    """SQL for the merged names of the titles selected by ``ids``, an ``in`` list or an ``any`` array.

    Each main name comes from the best source that has one: MyAnimeList, then the latest. All others become
    synonyms, in the order of their sources.
    """
    firsts = ", ".join(f"(array_agg({name} order by place) filter (where {name} is not null))[1] as {name}"
                       for name in _MAIN)  # fmt: skip
    return f"""
        with said as materialized (
            select *, row_number() over (
                partition by anime_id
                order by source = 'mal' desc, dated desc nulls last, source = 'manual' desc, source
            ) as place
            from anime_names where anime_id {ids}
        ),
        main as materialized (select anime_id, {firsts} from said group by anime_id),
        others as (
            select anime_id, array_agg(name order by place, nth) as synonyms
            from (
                select distinct on (s.anime_id, o.name) s.anime_id, o.name, s.place, o.nth
                from said s join main m using (anime_id),
                     unnest(array[{", ".join(f"s.{name}" for name in _MAIN)}] || s.synonyms)
                         with ordinality as o(name, nth)
                where o.name is not null
                  and o.name <> all (array_remove(array[{", ".join(f"m.{name}" for name in _MAIN)}], null))
                order by s.anime_id, o.name, s.place, o.nth
            ) each group by anime_id
        )
        select main.*, coalesce(others.synonyms, '{{}}') as synonyms
        from main left join others using (anime_id)
    """


COPIED = ("anime_id", "source", "dated", *NAMES)

_MAIN = [name for name in NAMES if name != "synonyms"]
_LISTED = ", ".join(NAMES)
_NEWER = {
    name: f"excluded.{name}" if name == "title" else f"coalesce(excluded.{name}, n.{name})" for name in NAMES
}
_OLDER = {name: f"coalesce(n.{name}, excluded.{name})" for name in NAMES}


def _update(values: Mapping[str, str], dated: str) -> str:
    listed = ", ".join(values.values())
    return f"""
        on conflict (anime_id, source) do update set dated = {dated}, ({_LISTED}) = row({listed})
        where (n.dated, {", ".join(f"n.{name}" for name in NAMES)}) is distinct from ({dated}, {listed})
    """


_STATED = f"""
    insert into anime_names as n (anime_id, source, dated, {_LISTED})
    select x.anime_id, cast(:source as text), cast(:dated as date), {", ".join(f"x.{name}" for name in NAMES)}
    from jsonb_to_recordset(cast(:rows as jsonb))
         as x(anime_id int, {", ".join(f"{name} {kind}" for name, kind in NAMES.items())})
    order by x.anime_id
"""
_OVERWRITE = text(_STATED + _update(_NEWER, "excluded.dated"))
_COMPLETE = text(_STATED + _update(_OLDER, "n.dated"))

# New titles of a dump, by far the most, get no row here: the names in the title itself count until another
# source or a later dump provides names. So a title without rows has the names of a dump.
_ADOPT = text(f"""
    insert into anime_names (anime_id, source, dated, {_LISTED})
    select id, 'dump', dumped_on, title, title_english, title_japanese, title_russian,
           nullif(synonyms, '{{}}')
    from anime a
    where id = any(cast(:ids as int[])) and not exists (select from anime_names n where n.anime_id = a.id)
""")

_LATER = "coalesce(excluded.dated, '-infinity') > coalesce(n.dated, '-infinity')"
_BOTH = {name: f"case when {_LATER} then {_NEWER[name]} else {_OLDER[name]} end" for name in NAMES}
_ABSORB = text(
    f"""
    insert into anime_names as n (anime_id, source, dated, {_LISTED})
    select cast(:survivor as int), source, dated, {_LISTED} from anime_names where anime_id = :old
    """
    + _update(_BOTH, "greatest(n.dated, excluded.dated)")
)
