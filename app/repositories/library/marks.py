"""Reads for clients: the marks of titles in a grid, and changes since another device's last sync."""

from collections.abc import Sequence
from datetime import datetime

from app.repositories.library.pages import EntryShape
from app.repositories.library.rendering import instant
from app.schemas.domain.library import ListChanges
from app.utils.db.database import Driver

_MARKS = """
    select coalesce(json_object_agg(wanted.id, mark.body), '{}')::text
    from (select distinct unnest($2::int[]) as id) wanted
    left join entries e on e.user_id = $1 and e.anime_id = wanted.id
    left join favorites f on f.user_id = $1 and f.anime_id = wanted.id
    cross join lateral (
        select case when e.id is not null or f.id is not null then json_build_object(
            'status', e.status, 'progress', e.progress, 'score', e.score / 10.0::float8,
            'is_favorite', f.id is not null, 'version', e.version) end as body
    ) mark
"""


class MarkRepository:
    """Reads on one autocommit connection."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def marks(self, user_id: int, anime_ids: Sequence[int]) -> bytes:
        """A JSON object of marks by title id; null if the title is neither on the list nor a favourite."""
        return str(await self._driver.fetchval(_MARKS, user_id, list(anime_ids))).encode()

    async def changes(
        self, user_id: int, shape: EntryShape, *, since: datetime | None, after: int, limit: int
    ) -> ListChanges:
        """Entries changed or deleted after ``(since, after)``, a time and an entry id; oldest first."""
        sql = _CHANGES.replace("{shape}", shape.sql)
        row = await self._driver.fetchrow(sql, user_id, since, after, limit)
        if row is None:
            raise AssertionError("a select without a table has a row")
        return ListChanges(
            entries=row["entries"].encode(),
            deleted=row["deleted"].encode(),
            last=None if row["last_at"] is None else (row["last_at"], row["last_id"]),
            has_more=row["number"] > limit,
        )


_CHANGES = f"""
    with changed as (
        select e.updated_at as at, e.id, false as gone from entries e
        where e.user_id = $1 and e.media_type = 'anime'
          and ($2::timestamptz is null or (e.updated_at, e.id) > ($2, $3::bigint))
        union all
        select t.deleted_at, t.entry_id, true from entry_tombstones t
        where t.user_id = $1 and t.media_type = 'anime'
          and (t.deleted_at, t.entry_id) > ($2::timestamptz, $3::bigint)
    ), looked_at as materialized (
        select * from changed order by at, id limit $4::bigint + 1
    ), page as materialized (
        select * from looked_at order by at, id limit $4::bigint
    ), newest as (
        -- after a complete first answer, deletions before it are no news
        select at, id from page
        union all
        select t.deleted_at, t.entry_id from entry_tombstones t
        where $2 is null and t.user_id = $1 and t.media_type = 'anime'
          and (select count(*) from looked_at) <= $4
        order by at desc, id desc limit 1
    )
    select (select count(*) from looked_at) as number,
           (select at from newest) as last_at, (select id from newest) as last_id,
           (select '[' || coalesce(string_agg({{shape}}::text, ',' order by page.at, page.id), '') || ']'
            from page join entries e on e.id = page.id left join anime a on a.id = e.anime_id
            where not page.gone) as entries,
           (select '[' || coalesce(string_agg(json_build_object(
                'id', t.entry_id, 'anime_id', t.anime_id, 'deleted_at', {instant("t.deleted_at")})::text,
                ',' order by page.at, page.id), '') || ']'
            from page join entry_tombstones t on t.entry_id = page.id where page.gone) as deleted
"""
