"""Entries ready to be sent: pages and single ones as JSON, each in one statement."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.repositories.anime.filters import SAFE, says_little, units
from app.repositories.library.rendering import (
    FORMAT,
    FROM_ENTRIES,
    GIVEN,
    SHAPES,
    TITLE,
    core_entry,
    given_rows,
    instant,
)
from app.schemas.domain.library import (
    ENTRY_KEYS,
    Entry,
    EntryCount,
    EntryStatus,
    MediaType,
    RenderedEntry,
    Shape,
)

_TOMBSTONE = f"""
json_build_object(
    'id', t.entry_id, 'anime_id', t.anime_id, 'deleted', true, 'updated_at', {instant("t.deleted_at")})
"""

# All names of the linked title, and the one that the entry itself carries, as they are searched.
_NAMES = """
case when e.title is null then a.search_text
     else concat(a.search_text, anime_search_text(e.title, null, null, null, '{}')) end
"""

# Every order ends in a unique key, so that pages neither overlap nor skip.
LIST_SORTS = {
    "created": "e.created_at",
    "updated": "e.updated_at",
    "title": f"lower({TITLE})",
    "score": "e.score",
    "progress": "e.progress",
    "started": "e.started_at",
    "finished": "e.finished_at",
}
_NEVER_NULL = ("e.created_at", "e.updated_at")
ITEM_SORTS = {"updated_at": "e.updated_at", "title": f"lower({TITLE})"}


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Which of a person's anime are wanted; all conditions must hold.

    One of ``statuses``, of ``types`` and of ``anime_ids``; all of ``genres``, which are names or ids, of
    themes and demographics too, and of ``tags``, each of which may be a comma list. ``sort`` is a key of
    ``LIST_SORTS``, with ``-`` before it for descending.
    """

    statuses: tuple[EntryStatus, ...] = ()
    updated_since: datetime | None = None
    q: str | None = None
    genres: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    anime_ids: tuple[int, ...] = ()
    sfw: bool = False
    public: bool = False
    """Without the entries that are private."""
    sort: str = "-created"


@dataclass(frozen=True, slots=True)
class EntryShape:
    """Which keys of an entry are shown, and whether its title is shown in full."""

    keys: tuple[str, ...] = ENTRY_KEYS
    expanded: bool = False

    @property
    def sql(self) -> str:
        return core_entry(self.keys, expanded=self.expanded)


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """``q`` is looked for in the title, in any case; ``sort`` is a key of ``ITEM_SORTS``, ``-`` before it."""

    media_type: MediaType | None = None
    status: EntryStatus | None = None
    q: str | None = None
    sort: str = "-updated_at"


@dataclass(frozen=True, slots=True)
class EntryPage:
    """A JSON array of entries, and how many there are on all pages."""

    body: bytes
    total: int


class EntryPages:
    """Reads on one connection, in autocommit or in a transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(
        self, user_id: int, shape: Shape, *, anime_id: int | None = None, entry_id: int | None = None
    ) -> RenderedEntry | None:
        """The person's entry of a title, or the one with the id."""
        row = (
            await self._connection.execute(
                text(
                    f"""
                    select e.id, e.version, e.anime_id, {SHAPES[shape]}::text as body {FROM_ENTRIES}
                    where e.user_id = :user_id and (e.anime_id = :anime_id or e.id = :entry_id)
                    """
                ),
                {"user_id": user_id, "anime_id": anime_id, "entry_id": entry_id},
            )
        ).first()
        return None if row is None else RenderedEntry(row.id, row.version, row.anime_id, row.body.encode())

    async def render(self, entries: Sequence[Entry], shape: Shape) -> list[RenderedEntry]:
        """The entries as they are given, which may be how they were in between, in the same order."""
        rows = await self._connection.execute(text(GIVEN[shape]), {"rows": given_rows(entries)})
        return [
            RenderedEntry(entry.id, entry.version, entry.subject.anime_id, body.encode())
            for entry, body in zip(entries, rows.scalars(), strict=True)
        ]

    async def list_anime(
        self, user_id: int, wanted: ListFilter, shape: EntryShape, *, limit: int, offset: int
    ) -> EntryPage:
        """One page of a person's anime; with ``updated_since`` the deleted ones too, as tombstones."""
        values: dict[str, Any] = {"user_id": user_id, "limit": limit, "offset": offset}
        where = " and ".join([*_OWN_ANIME, *_conditions(wanted, values)])
        if wanted.updated_since is None:
            return await self._page(_live_page(shape.sql, where, LIST_SORTS, wanted.sort), values)
        values["since"] = wanted.updated_since
        return await self._page(_changed_page(shape.sql, f"{where} and e.updated_at > :since"), values)

    async def list_items(self, user_id: int, wanted: ItemFilter, *, limit: int, offset: int) -> EntryPage:
        """One page of all entries in the tracker's words."""
        values: dict[str, Any] = {"user_id": user_id, "limit": limit, "offset": offset}
        conditions = ["e.user_id = :user_id"]
        if wanted.media_type is not None:
            conditions.append("e.media_type = :media_type")
            values["media_type"] = wanted.media_type
        if wanted.status is not None:
            conditions.append("e.status = :status")
            values["status"] = wanted.status
        if wanted.q:
            conditions += _named(wanted.q, values)
        return await self._page(
            _live_page(SHAPES["tracker"], " and ".join(conditions), ITEM_SORTS, wanted.sort), values
        )

    async def count(self, user_id: int) -> list[EntryCount]:
        """How many entries there are of each type and status."""
        rows = await self._connection.execute(
            text(
                """
                select media_type, status, count(*) as number from entries
                where user_id = :user_id group by media_type, status
                """
            ),
            {"user_id": user_id},
        )
        return [EntryCount(row.media_type, row.status, row.number) for row in rows]

    async def _page(self, sql: str, values: dict[str, Any]) -> EntryPage:
        row = (await self._connection.execute(text(sql), values)).one()
        return EntryPage(row.body.encode(), row.total)


_OWN_ANIME = ("e.user_id = :user_id", "e.media_type = 'anime'")
_TAG_IDS = """
(select coalesce(array_agg(g.id), '{{}}') from genres g
 where lower(g.name) = lower(:{name}) or g.id::text = :{name})
"""


def _conditions(wanted: ListFilter, values: dict[str, Any]) -> Iterator[str]:
    if wanted.statuses:
        values["statuses"] = list(wanted.statuses)
        yield "e.status = any(:statuses)"
    if wanted.anime_ids:
        values["anime_ids"] = list(wanted.anime_ids)
        yield "e.anime_id = any(:anime_ids)"
    if wanted.types:
        values["types"] = [name.lower() for name in wanted.types]
        yield f"lower({FORMAT}) = any(:types)"
    for number, genre in enumerate(wanted.genres):
        values[f"genre_{number}"] = genre
        yield f"a.tag_ids && {_TAG_IDS.format(name=f'genre_{number}')}"
    for number, tag in enumerate(wanted.tags):
        values[f"tag_{number}"], values[f"tags_{number}"] = tag, [word.strip() for word in tag.split(",")]
        yield f"(:tag_{number} = any(e.tags) or e.tags @> cast(:tags_{number} as text[]))"
    flags = ((wanted.sfw, f"({SAFE})"), (wanted.public, "not e.is_private"))
    yield from (condition for is_set, condition in flags if is_set)
    if wanted.q:
        yield from _named(wanted.q, values)


def _named(q: str, values: dict[str, Any]) -> list[str]:
    """Conditions that every word of ``q`` occurs in the names; one of a letter or two begins a word there."""
    conditions = []
    for number, words in enumerate(units(q)):
        joined, apart = f"joined_{number}", f"apart_{number}"
        values |= {joined: "".join(words), apart: " ".join(words)}
        anywhere = f"{_NAMES} like search_pattern(:{joined})"
        at_a_word = f"{_NAMES} like '% ' || substr(search_pattern(:{apart}), 2)"
        if len(words) > 1:
            conditions.append(f"({anywhere} or {at_a_word})")
        else:
            conditions.append(at_a_word if says_little(words[0]) else anywhere)
    return conditions or ["false"]


def _live_page(shape: str, where: str, sorts: Mapping[str, str], sort: str) -> str:
    key = sorts[sort.removeprefix("-")]
    direction = "desc" if sort.startswith("-") else "asc"
    # an index that has no nulls to put last is not found under that order
    nulls = "" if key in _NEVER_NULL else "nulls last"
    return f"""
    select coalesce('[' || string_agg(body, ',') || ']', '[]') as body,
           (select count(*) {FROM_ENTRIES} where {where}) as total
    from (
        select {shape}::text as body {FROM_ENTRIES}
        where {where}
        order by {key} {direction} {nulls}, e.id {direction}
        limit :limit offset :offset
    ) page
    """


def _changed_page(shape: str, where: str) -> str:
    """Live and deleted entries in one order, the latest change first."""
    return f"""
    with changed as (
        select e.updated_at as at, e.id, false as gone {FROM_ENTRIES} where {where}
        union all
        select t.deleted_at, t.entry_id, true from entry_tombstones t
        where t.user_id = :user_id and t.media_type = 'anime' and t.deleted_at > :since
    ), page as (
        select * from changed order by at desc, id desc limit :limit offset :offset
    )
    select coalesce('[' || string_agg(
               case when page.gone then {_TOMBSTONE}::text else {shape}::text end,
               ',' order by page.at desc, page.id desc) || ']', '[]') as body,
           (select count(*) from changed) as total
    from page
    left join entries e on not page.gone and e.id = page.id
    left join anime a on a.id = e.anime_id
    left join entry_tombstones t on page.gone and t.entry_id = page.id
    """
