"""Entries ready to be sent: pages and single ones as JSON, each in one statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.schemas.domain.library import EntryCount, EntryStatus, MediaType
from app.utils.search_words import search_words


def _instant(column: str) -> str:
    return f"""to_char({column}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


CORE_ENTRY = f"""
json_build_object(
    'id', e.id, 'anime_id', e.anime_id, 'status', e.status, 'score', e.score / 10.0::float8,
    'progress', e.progress, 'max_progress', coalesce(e.max_progress, a.episodes),
    'is_rewatching', e.is_rewatching, 'rewatch_count', e.rewatch_count,
    'started_at', e.started_at, 'finished_at', e.finished_at, 'notes', e.notes,
    'tags', to_json(e.tags), 'is_private', e.is_private,
    'created_at', {_instant("e.created_at")}, 'updated_at', {_instant("e.updated_at")},
    'anime', json_build_object(
        'id', a.id, 'mal_id', coalesce(a.mal_id, e.mal_id), 'title', coalesce(a.title, e.title),
        'image_url', coalesce(a.image_url, e.cover_url), 'score', a.score,
        'episodes', coalesce(a.episodes, e.max_progress)))
"""
_ITEM = f"""
json_build_object(
    'id', e.id, 'title', coalesce(e.title, a.title), 'type', e.media_type,
    'source', coalesce(e.source, 'anisync'), 'cover_url', coalesce(e.cover_url, a.image_url),
    'status', case e.status when 'plan_to_watch' then 'planning'
        when 'watching' then case e.media_type when 'manga' then 'reading' else 'watching' end
        else e.status end,
    'progress', e.progress, 'max_progress', coalesce(e.max_progress, a.episodes),
    'anilist_id', coalesce(e.anilist_id, a.anilist_id), 'mal_id', coalesce(e.mal_id, a.mal_id),
    'format', coalesce(e.format, a.type), 'site_url', e.site_url,
    'updated_at', {_instant("e.updated_at")})
"""
_TOMBSTONE = f"""
json_build_object('anime_id', t.anime_id, 'deleted', true, 'updated_at', {_instant("t.deleted_at")})
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
    "title": "lower(coalesce(a.title, e.title))",
    "score": "e.score",
    "progress": "e.progress",
    "started": "e.started_at",
    "finished": "e.finished_at",
}
_NEVER_NULL = ("e.created_at", "e.updated_at")
ITEM_SORTS = {"updated_at": "e.updated_at", "title": "lower(coalesce(e.title, a.title))"}


@dataclass(frozen=True, slots=True)
class ListFilter:
    """``sort`` is a key of ``LIST_SORTS``, with ``-`` before it for descending."""

    status: EntryStatus | None = None
    updated_since: datetime | None = None
    sort: str = "-created"


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """``q`` stands in one of the names; ``sort`` is a key of ``ITEM_SORTS``, with ``-`` before it."""

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
    """Reads on one autocommit connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def list_anime(self, user_id: int, wanted: ListFilter, *, limit: int, offset: int) -> EntryPage:
        """One page of a person's anime; with ``updated_since`` the deleted ones too, as tombstones."""
        values: dict[str, Any] = {"user_id": user_id, "limit": limit, "offset": offset}
        conditions = ["e.user_id = :user_id", "e.media_type = 'anime'"]
        if wanted.status is not None:
            conditions.append("e.status = :status")
            values["status"] = wanted.status
        if wanted.updated_since is not None:
            conditions.append("e.updated_at > :since")
            values["since"] = wanted.updated_since
        where = " and ".join(conditions)
        if wanted.updated_since is None:
            return await self._page(_live_page(CORE_ENTRY, where, LIST_SORTS, wanted.sort), values)
        return await self._page(_changed_page(where), values)

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
            conditions.append(f"{_NAMES} like any (array[search_pattern(:q), search_pattern(:words)])")
            values |= {"q": wanted.q, "words": " ".join(search_words(wanted.q))}
        return await self._page(_live_page(_ITEM, " and ".join(conditions), ITEM_SORTS, wanted.sort), values)

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


def _live_page(shape: str, where: str, sorts: Mapping[str, str], sort: str) -> str:
    key = sorts[sort.removeprefix("-")]
    direction = "desc" if sort.startswith("-") else "asc"
    # an index that has no nulls to put last is not found under that order
    nulls = "" if key in _NEVER_NULL else "nulls last"
    of = "from entries e left join anime a on a.id = e.anime_id"
    return f"""
    select coalesce('[' || string_agg(body, ',') || ']', '[]') as body,
           (select count(*) {of} where {where}) as total
    from (
        select {shape}::text as body {of}
        where {where}
        order by {key} {direction} {nulls}, e.id {direction}
        limit :limit offset :offset
    ) page
    """


def _changed_page(where: str) -> str:
    """Live and deleted entries in one order, the latest change first."""
    return f"""
    with changed as (
        select e.updated_at as at, e.id, false as gone from entries e where {where}
        union all
        select t.deleted_at, t.entry_id, true from entry_tombstones t
        where t.user_id = :user_id and t.media_type = 'anime' and t.deleted_at > :since
    ), page as (
        select * from changed order by at desc, id desc limit :limit offset :offset
    )
    select coalesce('[' || string_agg(
               case when page.gone then {_TOMBSTONE}::text else {CORE_ENTRY}::text end,
               ',' order by page.at desc, page.id desc) || ']', '[]') as body,
           (select count(*) from changed) as total
    from page
    left join entries e on not page.gone and e.id = page.id
    left join anime a on a.id = e.anime_id
    left join entry_tombstones t on page.gone and t.entry_id = page.id
    """
