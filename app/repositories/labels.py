"""SQL that finds or adds genres, themes, demographics and studios: by MyAnimeList id, then by name."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Row, text

from app.schemas.domain.anime import UpstreamStudio, UpstreamTag
from app.utils.db.database import Transaction

_NAME_MAX = 200  # characters; names are indexed, and index entries are limited in size


class LabelRepository:
    """The caller must hold the lock of :class:`CatalogueRepository`, so that nobody else adds labels."""

    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def ids_of_tags(self, tags: Collection[UpstreamTag]) -> dict[UpstreamTag, int]:
        wanted = [_Wanted(tag.kind, tag.name[:_NAME_MAX], tag.mal_id) for tag in tags]
        return dict(zip(tags, await self._ids(_GENRES, wanted), strict=True))

    async def ids_of_studios(self, studios: Collection[UpstreamStudio]) -> dict[UpstreamStudio, int]:
        wanted = [_Wanted("studio", studio.name[:_NAME_MAX], studio.mal_id) for studio in studios]
        return dict(zip(studios, await self._ids(_STUDIOS, wanted), strict=True))

    async def _ids(self, table: "_Table", wanted: Sequence["_Wanted"]) -> list[int]:
        if not wanted:
            return []
        found = await self._find(table, wanted)
        if await self._amend(table, wanted, found) or await self._add(table, wanted, found):
            found = await self._find(table, wanted)
        if any(row.id is None for row in found):  # an amendment may have freed or taken its name
            await self._add(table, wanted, found)
            found = await self._find(table, wanted)
        return [row.id for row in found]

    async def _find(self, table: "_Table", wanted: Sequence["_Wanted"]) -> Sequence[Row[tuple[int]]]:
        return (await self._session.execute(table.find, _columns(wanted))).all()

    async def _amend(
        self, table: "_Table", wanted: Sequence["_Wanted"], found: Sequence[Row[tuple[int]]]
    ) -> bool:
        """Update known labels with a new name or a missing id."""
        amended: dict[int, _Wanted] = {}
        taken: set[tuple[str, str]] = set()
        for label, row in zip(wanted, found, strict=True):
            if label.mal_id is None or row.id is None or row.id in amended:
                continue
            says_more = row.mal_id is None or (row.mal_id == label.mal_id and row.name != label.name)
            name_is_free = row.named in (None, row.id) and (label.kind, row.folded) not in taken
            if says_more and name_is_free:
                amended[row.id] = label
                taken.add((label.kind, row.folded))
        if amended:
            columns = {"ids": list(amended), **_columns(list(amended.values()))}
            await self._session.execute(table.amend, columns)
        return bool(amended)

    async def _add(
        self, table: "_Table", wanted: Sequence["_Wanted"], found: Sequence[Row[tuple[int]]]
    ) -> bool:
        missing = [label for label, row in zip(wanted, found, strict=True) if row.id is None]
        if missing:
            await self._session.execute(table.add, _columns(missing))
        return bool(missing)


class _Wanted(NamedTuple):
    kind: str
    name: str
    mal_id: int | None


class _Table:
    """The three statements for a table of labels."""

    def __init__(self, table: str, *, with_kinds: bool) -> None:
        wanted = (
            "unnest(cast(:kinds as text[]), cast(:names as text[]), cast(:mal_ids as int[]))"
            " with ordinality as w(kind, name, mal_id, place)"
        )
        of_kind = "{0}.kind = w.kind and" if with_kinds else ""
        kind, w_kind = ("kind,", "w.kind,") if with_kinds else ("", "")
        self.find = text(f"""
            select coalesce(by_id.id, by_name.id) as id,
                   case when by_id.id is null then by_name.mal_id else by_id.mal_id end as mal_id,
                   case when by_id.id is null then by_name.name else by_id.name end as name,
                   by_name.id as named, lower(w.name) as folded
            from {wanted}
            left join {table} by_id on {of_kind.format("by_id")} by_id.mal_id = w.mal_id
            left join {table} by_name
              on {of_kind.format("by_name")} lower(by_name.name) = lower(w.name)
            order by w.place
        """)
        self.amend = text(f"""
            update {table} set name = w.name, mal_id = w.mal_id
            from unnest(cast(:ids as int[]), cast(:kinds as text[]), cast(:names as text[]),
                        cast(:mal_ids as int[])) as w(id, kind, name, mal_id)
            where {table}.id = w.id
        """)
        self.add = text(f"""
            insert into {table} ({kind} name, mal_id)
            select {w_kind} w.name, w.mal_id from {wanted} order by w.place
            on conflict do nothing
        """)


def _columns(wanted: Sequence[_Wanted]) -> dict[str, list[str] | list[int | None]]:
    return {
        "kinds": [label.kind for label in wanted],
        "names": [label.name for label in wanted],
        "mal_ids": [label.mal_id for label in wanted],
    }


_GENRES = _Table("genres", with_kinds=True)
_STUDIOS = _Table("studios", with_kinds=False)
