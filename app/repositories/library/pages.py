"""Pages and single entries as JSON for responses, one statement each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from app.repositories.anime.filters import SAFE, Arguments, is_short_word, pattern, word_groups
from app.repositories.library.rendering import (
    FORMAT,
    FROM_ENTRIES,
    GIVEN,
    SHAPES,
    TITLE,
    TRACKER_COLUMNS,
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
from app.utils.db.database import Driver

_TOMBSTONE = f"""
json_build_object(
    'id', t.entry_id, 'anime_id', t.anime_id, 'deleted', true, 'updated_at', {instant("t.deleted_at")})
"""

# All searchable names: those of the linked title, and the entry's own, which is prepared per request: without
# the lines of anime_search_text() that only a search by sound uses, since they take most of its time, and of
# plain words without folding them.
_NAMES = r"""
case when e.title is null then a.search_text
when e.title ~ '^[A-Za-z0-9]+( [A-Za-z0-9]+)*$' then concat(a.search_text, E'\n ', lower(e.title), E' \n')
else concat(a.search_text, (
    select concat(E'\n ', search_break(folded), E' \n ', search_join(folded), E' \n')
    from (select search_fold(e.title) as folded offset 0) own)) end
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
    """A filter on the anime of a list; all conditions must hold.

    An entry must have one of ``statuses``, ``types`` and ``anime_ids``, and all of ``genres`` (names or ids,
    of themes and demographics too) and ``tags`` (each may be a comma-separated list). ``sort`` is a key of
    ``LIST_SORTS``, with a leading ``-`` for descending.
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
    """Leave private entries out."""
    sort: str = "-created"

    @property
    def asks_of_titles(self) -> bool:
        """Whether a condition needs the catalogue title."""
        return bool(self.types or self.genres or self.sfw or self.q)


@dataclass(frozen=True, slots=True)
class EntryShape:
    """Which keys of an entry are returned, and whether its title is expanded."""

    keys: tuple[str, ...] = ENTRY_KEYS
    expanded: bool = False

    @property
    def sql(self) -> str:
        return core_entry(self.keys, expanded=self.expanded)


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """``q`` is a case-insensitive limit_offset of the title.

    ``sort`` a key of ``ITEM_SORTS``, with ``-`` descending.
    """

    media_type: MediaType | None = None
    status: EntryStatus | None = None
    q: str | None = None
    sort: str = "-updated_at"


@dataclass(frozen=True, slots=True)
class EntryPage:
    """A JSON array of entries, and the total number on all pages."""

    body: bytes
    total: int


class EntryPages:
    """Reads on one connection, in autocommit or inside a transaction."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find(
        self, user_id: int, shape: Shape, *, anime_id: int | None = None, entry_id: int | None = None
    ) -> RenderedEntry | None:
        """The user's entry of a title, or the one with the id."""
        row = await self._driver.fetchrow(_FIND[shape], user_id, anime_id, entry_id)
        if row is None:
            return None
        return RenderedEntry(row["id"], row["version"], row["anime_id"], row["body"].encode())

    async def render(self, entries: Sequence[Entry], shape: Shape) -> list[RenderedEntry]:
        """The JSON of the given entries, in their order; they need not be the stored versions."""
        rows = await self._driver.fetch(GIVEN[shape], given_rows(entries))
        return [
            RenderedEntry(entry.id, entry.version, entry.subject.anime_id, row["body"].encode())
            for entry, row in zip(entries, rows, strict=True)
        ]

    async def list_anime(
        self, user_id: int, filters: ListFilter, shape: EntryShape, *, limit: int, offset: int
    ) -> EntryPage:
        """One page of a user's anime; with ``updated_since`` also deleted ones, as tombstones."""
        arguments = Arguments()
        user = arguments.add(user_id, "int")
        parts = [f"e.user_id = {user}", "e.media_type = 'anime'", *_conditions(filters, arguments)]
        where = " and ".join(parts)
        limit_offset = _limit_offset(arguments, limit, offset)
        if filters.updated_since is None:
            sql = _live_page(shape.sql, filters, where, limit_offset)
        else:
            since = arguments.add(filters.updated_since, "timestamptz")
            sql = _changed_page(shape.sql, f"{where} and e.updated_at > {since}", limit_offset, user, since)
        row = await self._driver.fetchrow(sql, *arguments)
        if row is None:
            raise AssertionError("an aggregate has a row")
        return EntryPage(row["body"].encode(), row["total"])

    async def list_items(self, user_id: int, filters: ItemFilter, *, limit: int, offset: int) -> EntryPage:
        """One page of all entries in the tracker's format.

        Encoded with orjson: for these long lists PostgreSQL takes three times as long to build the JSON.
        """
        arguments = Arguments()
        where = [f"e.user_id = {arguments.add(user_id, 'int')}"]
        if filters.media_type is not None:
            where.append(f"e.media_type = {arguments.add(filters.media_type, 'text')}")
        if filters.status is not None:
            where.append(f"e.status = {arguments.add(filters.status, 'text')}")
        if filters.q:
            where += _named(filters.q, arguments)
        found = f"{FROM_ENTRIES} where {' and '.join(where)}"
        counted = tuple(arguments)
        limit_offset = _limit_offset(arguments, limit, offset)
        rows = await self._driver.fetch(
            f"select {_ITEM} {found} {_ordered(ITEM_SORTS, filters.sort)} {limit_offset}", *arguments
        )
        total = offset + len(rows)
        if len(rows) == limit or (offset and not rows):
            total = await self._driver.fetchval(f"select count(*) {found}", *counted)
        return EntryPage(orjson.dumps([dict(row) for row in rows]), total)

    async def count(self, user_id: int) -> list[EntryCount]:
        """The number of entries per type and status."""
        rows = await self._driver.fetch(_COUNT, user_id)
        return [EntryCount(row["media_type"], row["status"], row["number"]) for row in rows]


_COUNT = """
    select media_type, status, count(*) as number from entries
    where user_id = $1 group by media_type, status
"""
_FIND = {
    shape: f"""
    select e.id, e.version, e.anime_id, {sql}::text as body {FROM_ENTRIES}
    where e.user_id = $1 and (e.anime_id = $2 or e.id = $3)
    """
    for shape, sql in SHAPES.items()
}
_ITEM = ", ".join(f"{sql} as {name}" for name, sql in TRACKER_COLUMNS.items())


def _limit_offset(arguments: Arguments, limit: int, offset: int) -> str:
    return f"limit {arguments.add(limit, 'bigint')} offset {arguments.add(offset, 'bigint')}"


def _conditions(filters: ListFilter, arguments: Arguments) -> Iterator[str]:
    if filters.statuses:
        yield f"e.status = any({arguments.add(list(filters.statuses), 'text[]')})"
    if filters.anime_ids:
        yield f"e.anime_id = any({arguments.add(list(filters.anime_ids), 'int[]')})"
    if filters.types:
        names = [name.lower() for name in filters.types]
        yield f"lower({FORMAT}) = any({arguments.add(names, 'text[]')})"
    for genre in filters.genres:
        name = arguments.add(genre, "text")
        yield f"""a.tag_ids && (select coalesce(array_agg(g.id), '{{}}') from genres g
                                where lower(g.name) = lower({name}) or g.id::text = {name})"""
    for tag in filters.tags:
        words = arguments.add([word.strip() for word in tag.split(",")], "text[]")
        yield f"({arguments.add(tag, 'text')} = any(e.tags) or e.tags @> {words})"
    flags = ((filters.sfw, f"({SAFE})"), (filters.public, "not e.is_private"))
    yield from (condition for is_set, condition in flags if is_set)
    if filters.q:
        yield from _named(filters.q, arguments)


def _named(q: str, arguments: Arguments) -> list[str]:
    """Conditions that the names contain every word of ``q``; a short word must start a word of a name."""
    conditions = []
    for words in word_groups(q):
        patterns = []
        if len(words) > 1 or not is_short_word(words[0]):
            patterns.append(pattern("".join(words), arguments, once=True))
        if len(words) > 1 or not patterns:
            patterns.append(f"'% ' || substr({pattern(' '.join(words), arguments, once=True)}, 2)")
        conditions.append(f"({' or '.join(f'every.names like {one}' for one in patterns)})")
    if not conditions:
        return ["false"]
    # the names of an entry are prepared once for all words
    return [f"(select {' and '.join(conditions)} from (select {_NAMES} as names offset 0) every)"]


def _ordered(sorts: Mapping[str, str], sort: str) -> str:
    key = sorts[sort.removeprefix("-")]
    direction = "desc" if sort.startswith("-") else "asc"
    # an order with `nulls last` would not match the index, which is declared without it
    nulls = "" if key in _NEVER_NULL else "nulls last"
    return f"order by {key} {direction} {nulls}, e.id {direction}"


def _live_page(shape: str, filters: ListFilter, where: str, limit_offset: str) -> str:
    found = f"{FROM_ENTRIES} where {where}"
    # without the join: PostgreSQL cannot drop it in time for an index-only count
    counted = found if filters.asks_of_titles else f"from entries e where {where}"
    order = _ordered(LIST_SORTS, filters.sort)
    tables = ""
    if filters.q:  # names take long to compare: once, for the page and for the count
        tables = f"with found as materialized (select e.id {found})"
        titled = "join entries e using (id) left join anime a on a.id = e.anime_id"
        # the JSON of the page only: PostgreSQL would build that of all before it sorts
        found = f"from (select e.id from found {titled} {order} {limit_offset}) chosen {titled}"
        counted, limit_offset = "from found", ""
    return f"""
    {tables}
    select coalesce('[' || string_agg(body, ',') || ']', '[]') as body,
           (select count(*) {counted}) as total
    from (
        select {shape}::text as body {found} {order} {limit_offset}
    ) page
    """


def _changed_page(shape: str, where: str, limit_offset: str, user: str, since: str) -> str:
    """Live and deleted entries in one order, the latest change first."""
    return f"""
    with changed as (
        select e.updated_at as at, e.id, false as gone {FROM_ENTRIES} where {where}
        union all
        select t.deleted_at, t.entry_id, true from entry_tombstones t
        where t.user_id = {user} and t.media_type = 'anime' and t.deleted_at > {since}
    ), page as (
        select * from changed order by at desc, id desc {limit_offset}
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
