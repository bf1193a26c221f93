"""SQL of playback progress and of the viewing log."""

from datetime import datetime

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.repositories.cards import CARD, card_of
from app.repositories.paging import fetch_page
from app.schemas.domain.watching import View, WatchProgress
from app.schemas.limits import MAX_PROGRESS
from app.utils.database import Transaction


def _percent(stated: str, position: str) -> str:
    """How much of the episode that is; it follows from the position where the length is known."""
    followed = f"least(100, round(({position} / (a.duration_minutes * 0.6))::numeric, 2)::float8)"
    return f"coalesce({stated}, {followed})"


_PERCENT = f"{_percent('w.progress_percent', 'w.position_seconds')} as percent"
_REPORTED = _percent("cast(:percent as float8)", "cast(:position_seconds as int)")
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
# Of each title the latest report of an episode that is not through, unless one was finished since and it is
# behind that; else the last episode that was finished, where there is a next one to go on with.
_CONTINUE = f"""
from (
    select distinct on (r.anime_id) r.*
    from (
        select p.*, first_value(p.done) over latest as any_done, first_value(p.id) over latest as done_id,
               first_value(p.episode) over latest as done_episode,
               first_value(p.last_watched_at) over latest as done_at
        from (
            select w.*, coalesce(w.percent, 0) >= :counted as done
            from (
                select {_PROGRESS}, w.anime_id, a.episodes, {_PERCENT}
                from watch_progress w join anime a on a.id = w.anime_id where w.user_id = :user_id
            ) w
        ) p
        window latest as (partition by p.anime_id order by p.done desc, p.last_watched_at desc, p.id desc)
    ) r
    where case when r.done then r.id = r.done_id and r.episode < coalesce(r.episodes, {MAX_PROGRESS})
               else not r.any_done or r.episode > r.done_episode or r.last_watched_at > r.done_at end
    order by r.anime_id, r.done, r.last_watched_at desc, r.id desc
) w join anime a on a.id = w.anime_id
"""


class WatchRepository:
    """Works in a transaction, or, for single reads, on a connection in autocommit."""

    def __init__(self, on: Transaction | AsyncConnection) -> None:
        self._on = on.session if isinstance(on, Transaction) else on

    async def upsert(
        self,
        user_id: int,
        anime_id: int,
        *,
        episode: int,
        position_seconds: int | None,
        percent: float | None,
        reported_at: datetime,
    ) -> tuple[WatchProgress, float | None]:
        """Keep the report unless a later one of the same episode is there.

        Answers what is kept, and how much of the episode this report was of, where that is known.
        """
        values = {
            "user_id": user_id,
            "anime_id": anime_id,
            "episode": episode,
            "position_seconds": position_seconds,
            "percent": percent,
            "reported_at": reported_at,
        }
        await self._on.execute(text(_KEEP), values)
        kept = await self._on.execute(
            text(
                f"""
                select {_PROGRESS}, {_PERCENT}, {_REPORTED} as reported, {CARD}
                from watch_progress w join anime a on a.id = w.anime_id
                where w.user_id = :user_id and w.anime_id = :anime_id and w.episode = :episode
                """
            ),
            values,
        )
        row = kept.one()
        return _progress_of(row), row.reported

    async def list_to_continue(
        self, user_id: int, *, counted: float, limit: int, offset: int
    ) -> tuple[list[WatchProgress], int]:
        """The last report of each title that is not over, the latest first, and how many in all."""
        rows, total = await fetch_page(
            self._on,
            select=f"{_PROGRESS}, w.percent, {CARD}",
            source=_CONTINUE,
            order="w.last_watched_at desc, w.id desc",
            values={"user_id": user_id, "counted": counted, "limit": limit, "offset": offset},
        )
        return [_progress_of(row) for row in rows], total

    async def insert_view(
        self, user_id: int, anime_id: int, *, episode: int, release_id: int | None, viewed_at: datetime
    ) -> View:
        row = (
            await self._on.execute(
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
        """One page, newest first, and how many there are in all."""
        rows, total = await fetch_page(
            self._on,
            select=f"v.id, v.episode, v.release_id, v.viewed_at, {CARD}",
            source="from views v join anime a on a.id = v.anime_id where v.user_id = :user_id",
            order="v.viewed_at desc, v.id desc",
            values={"user_id": user_id, "limit": limit, "offset": offset},
        )
        views = [View(row.id, card_of(row), row.episode, row.release_id, row.viewed_at) for row in rows]
        return views, total


def _progress_of(row: Row[tuple[object, ...]]) -> WatchProgress:
    return WatchProgress(
        id=row.id,
        anime=card_of(row),
        episode=row.episode,
        position_seconds=row.position_seconds,
        percent=row.percent,
        created_at=row.created_at,
        last_watched_at=row.last_watched_at,
    )
