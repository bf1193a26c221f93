"""SQL of playback progress and the viewing history."""

from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.repositories.cards import CARD, card_of
from app.repositories.library.rendering import FROM_ENTRIES, SHAPES, TOTAL
from app.repositories.paging import fetch_page
from app.schemas.domain.library import RenderedEntry
from app.schemas.domain.watching import View, WatchProgress
from app.schemas.limits import MAX_PROGRESS
from app.utils.db.database import Driver, Transaction, numbered


def _percent(stated: str, position: str, title: str = "a") -> str:
    """The share of the episode in per cent, computed from the position if the length is known."""
    followed = f"least(100, round(({position} / ({title}.duration_minutes * 0.6))::numeric, 2)::float8)"
    return f"coalesce({stated}, {followed})"


_PERCENT = f"{_percent('w.progress_percent', 'w.position_seconds')} as percent"
_REPORTED = _percent("cast(:percent as float8)", "cast(:position_seconds as int)")
_PLAYBACK = f"""
select greatest(a.episodes, e.max_progress) as total, {_REPORTED} as percent
from anime a left join entries e on e.user_id = :user_id and e.anime_id = a.id
where a.id = :anime_id
"""
_KEEP = """
insert into watch_progress as w
    (user_id, anime_id, episode, position_seconds, progress_percent, reported_at, last_watched_at)
values (:user_id, :anime_id, :episode, :position_seconds, :percent, :reported_at, :reported_at)
on conflict (user_id, anime_id, episode) do update set
    position_seconds = excluded.position_seconds, progress_percent = excluded.progress_percent,
    reported_at = excluded.reported_at, last_watched_at = excluded.last_watched_at
where w.reported_at <= excluded.reported_at
"""
_PROGRESS = "w.id, w.episode, w.position_seconds, w.created_at, w.last_watched_at"
# The stored report, and the entry of the title: the statement sees the list as of its own start.
_KEEP_AND_SHOW = f"""
with kept as ({_KEEP} returning w.*), standing as (
    select * from kept
    union all
    select * from watch_progress
    where user_id = :user_id and anime_id = :anime_id and episode = :episode and not exists (select from kept)
)
select {_PROGRESS}, {_PERCENT}, {CARD}, listed.*
from standing w join anime a on a.id = w.anime_id
left join lateral (
    select e.id as entry_id, e.version as entry_version, {SHAPES["core"]}::text as entry_body
    {FROM_ENTRIES} where e.user_id = w.user_id and e.anime_id = w.anime_id
) listed on true
"""
# Candidate titles: those with reported playback, and those that the list alone says are being watched.
# ``running`` means that the list has the title as being watched. Otherwise, and in a rewatch, reports before
# ``since`` are obsolete: the title was completed, dropped or removed, or the rewatch progressed.
_TITLES = f"""
    select m.*, case when m.entry_id is null then coalesce(m.deleted_at, '-infinity')
                     when m.running and not m.is_rewatching then '-infinity' else m.moved_at end as since
    from (
        select a.id as anime_id, a.duration_minutes, {TOTAL} as total, e.id as entry_id, e.progress,
               e.created_at, e.updated_at, e.is_rewatching, t.deleted_at,
               coalesce(e.progress_changed_at, e.updated_at) as moved_at,
               coalesce(case e.status when 'dropped' then false
                                      when 'completed' then e.is_rewatching and e.progress < {TOTAL}
                                      else e.id is not null end, false) as running
        from (
            select anime_id from watch_progress where user_id = :user_id
            union
            select anime_id from entries
            where user_id = :user_id and anime_id is not null and status = 'watching'
              and (progress > 0 or is_rewatching)
        ) seen
        join anime a on a.id = seen.anime_id
        left join entries e on e.user_id = :user_id and e.anime_id = a.id
        left join (
            select anime_id, max(deleted_at) as deleted_at from entry_tombstones
            where user_id = :user_id group by anime_id
        ) t on t.anime_id = a.id
    ) m
"""


def _latest(condition: str) -> str:
    """A subquery for the latest report of the title ``m`` that meets the condition."""
    return f"""
    lateral (
        select {_PROGRESS}, w.percent from (
            select *, {_percent("progress_percent", "position_seconds", "m")} as percent from watch_progress
            where user_id = :user_id and anime_id = m.anime_id
        ) w
        where {condition}
        order by w.last_watched_at desc, w.id desc limit 1
    )
    """


_DONE = "coalesce(w.percent, 0) >= :counted"
# Per title the latest report of an unfinished episode, if it is beyond the progress or more recent than it;
# otherwise the beginning of the next episode, if there is one.
_CONTINUE = f"""
from (
    select m.anime_id, coalesce(u.id, l.id) as id, coalesce(u.episode, b.seen + 1) as episode,
           case when u.id is null then 0 else u.position_seconds end as position_seconds,
           case when u.id is null then 0 else u.percent end as percent,
           coalesce(u.created_at, l.created_at, m.created_at) as created_at,
           coalesce(u.last_watched_at, l.last_watched_at, m.updated_at) as last_watched_at
    from ({_TITLES}) m
    left join {_latest(f"{_DONE} and w.last_watched_at >= m.since")} d on true
    cross join lateral (
        select case when m.running then m.progress else coalesce(d.episode, 0) end as seen,
               case when m.running then m.moved_at else d.last_watched_at end as seen_at
    ) b
    left join {
    _latest(
        f"not {_DONE} and w.last_watched_at > m.since and w.episode <= coalesce(m.total, w.episode) "
        "and (w.episode > b.seen or w.last_watched_at > b.seen_at)"
    )
} u on true
    left join {_latest("m.running or w.last_watched_at > m.since")} l on true
    where u.id is not null or (m.running or d.id is not null) and b.seen < coalesce(m.total, {MAX_PROGRESS})
) w join anime a on a.id = w.anime_id
"""


@dataclass(frozen=True, slots=True)
class Playback:
    """The total of a title and the reported share of an episode in per cent; None if unknown."""

    total: int | None
    percent: float | None


@dataclass(frozen=True)
class Report:
    """Where a user stopped in an episode, and when; ``percent`` is the share stated by the client."""

    user_id: int
    anime_id: int
    episode: int
    position_seconds: int | None
    percent: float | None
    reported_at: datetime


class WatchRepository:
    """Runs in a transaction or, for single reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def find_playback(
        self,
        user_id: int,
        anime_id: int,
        *,
        position_seconds: int | None = None,
        percent: float | None = None,
    ) -> Playback | None:
        """None if there is no such title; the total is the greater of the user's and the catalogue's."""
        found = await self._connection.execute(
            text(_PLAYBACK),
            {
                "user_id": user_id,
                "anime_id": anime_id,
                "position_seconds": position_seconds,
                "percent": percent,
            },
        )
        row = found.first()
        return None if row is None else Playback(row.total, row.percent)

    async def upsert(self, report: Report) -> WatchProgress:
        """Store the report unless a later one of the episode exists; returns the stored one."""
        values = dict(vars(report))
        await self._connection.execute(text(_KEEP), values)
        kept = await self._connection.execute(
            text(
                f"""
                select {_PROGRESS}, {_PERCENT}, {CARD}
                from watch_progress w join anime a on a.id = w.anime_id
                where w.user_id = :user_id and w.anime_id = :anime_id and w.episode = :episode
                """
            ),
            values,
        )
        return _progress_of(kept.one())

    async def list_to_continue(
        self, user_id: int, *, counted: float, limit: int, offset: int
    ) -> tuple[list[WatchProgress], int]:
        """Where to continue each unfinished title, most recent first, and the total number."""
        rows, total = await fetch_page(
            self._connection,
            select=f"{_PROGRESS}, w.percent, {CARD}",
            source=_CONTINUE,
            order="w.last_watched_at desc, w.anime_id desc",
            values={"user_id": user_id, "counted": counted, "limit": limit, "offset": offset},
        )
        return [_progress_of(row) for row in rows], total

    async def list_of_title(
        self, user_id: int, anime_id: int, *, limit: int, offset: int
    ) -> tuple[list[WatchProgress], int]:
        """One page of the reports of one title, ordered by episode, and their total number."""
        rows, total = await fetch_page(
            self._connection,
            select=f"{_PROGRESS}, {_PERCENT}, {CARD}",
            source="""
                from watch_progress w join anime a on a.id = w.anime_id
                where w.user_id = :user_id and w.anime_id = :anime_id
            """,
            order="w.episode",
            values={"user_id": user_id, "anime_id": anime_id, "limit": limit, "offset": offset},
        )
        return [_progress_of(row) for row in rows], total

    async def delete_of_title(self, user_id: int, anime_id: int) -> None:
        await self._connection.execute(
            text("delete from watch_progress where user_id = :user_id and anime_id = :anime_id"),
            {"user_id": user_id, "anime_id": anime_id},
        )

    async def insert_view(
        self, user_id: int, anime_id: int, *, episode: int, release_id: int | None, viewed_at: datetime
    ) -> View:
        row = (
            await self._connection.execute(
                text(
                    f"""
                    with added as (
                        insert into views (user_id, anime_id, episode, release_id, viewed_at)
                        values (:user_id, :anime_id, :episode, :release_id, :viewed_at) returning *
                    )
                    select v.id, v.episode, v.release_id, v.viewed_at, {CARD}
                    from added v join anime a on a.id = v.anime_id
                    """
                ),
                {
                    "user_id": user_id,
                    "anime_id": anime_id,
                    "episode": episode,
                    "release_id": release_id,
                    "viewed_at": viewed_at,
                },
            )
        ).one()
        return View(row.id, card_of(row), row.episode, row.release_id, row.viewed_at)

    async def list_views(self, user_id: int, *, limit: int, offset: int) -> tuple[list[View], int]:
        """One page, newest first, and the total number."""
        rows, total = await fetch_page(
            self._connection,
            select=f"v.id, v.episode, v.release_id, v.viewed_at, {CARD}",
            source="from views v join anime a on a.id = v.anime_id where v.user_id = :user_id",
            order="v.viewed_at desc, v.id desc",
            values={"user_id": user_id, "limit": limit, "offset": offset},
        )
        views = [View(row.id, card_of(row), row.episode, row.release_id, row.viewed_at) for row in rows]
        return views, total


class ReportRepository:
    """Playback reports, the most frequent write, on an autocommit connection."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find_playback(self, report: Report) -> Playback | None:
        """Like :meth:`WatchRepository.find_playback`."""
        statement, given = numbered(_PLAYBACK, vars(report))
        row = await self._driver.fetchrow(statement, *given)
        return None if row is None else Playback(row["total"], row["percent"])

    async def upsert(self, report: Report) -> tuple[WatchProgress, RenderedEntry | None] | None:
        """Store the report unless a later one of the episode exists; returns the stored one and the entry.

        None if another report of the episode was stored concurrently.
        """
        statement, given = numbered(_KEEP_AND_SHOW, vars(report))
        row = await self._driver.fetchrow(statement, *given)
        if row is None:
            return None
        progress = _progress_of(SimpleNamespace(**dict(row)))
        if row["entry_id"] is None:
            return progress, None
        body = row["entry_body"].encode()
        return progress, RenderedEntry(row["entry_id"], row["entry_version"], report.anime_id, body)


def _progress_of(row: Row[Any] | SimpleNamespace) -> WatchProgress:
    return WatchProgress(
        id=row.id,
        anime=card_of(row),
        episode=row.episode,
        position_seconds=row.position_seconds,
        percent=row.percent,
        created_at=row.created_at,
        last_watched_at=row.last_watched_at,
    )
