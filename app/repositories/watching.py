"""SQL of playback progress and of the viewing log."""

from datetime import datetime

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.repositories.cards import CARD, card_of
from app.repositories.paging import fetch_page
from app.schemas.domain.watching import View, WatchProgress
from app.utils.database import Transaction

_PERCENT = """
    coalesce(
        w.progress_percent,
        least(100, round((w.position_seconds / (a.duration_minutes * 0.6))::numeric, 2)::float8)
    ) as percent
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
# A title whose last report is of a finished episode goes on with the next one, where there is a next one.
_CONTINUE = f"""
from (
    select distinct on (w.anime_id) {_PROGRESS}, w.anime_id, {_PERCENT}
    from watch_progress w join anime a on a.id = w.anime_id
    where w.user_id = :user_id
    order by w.anime_id, w.last_watched_at desc, w.id desc
) w join anime a on a.id = w.anime_id
where coalesce(w.percent, 0) < :counted or a.episodes is null or w.episode < a.episodes
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
    ) -> WatchProgress:
        """Keep the report unless a later one of the same episode is there; answers what is kept."""
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
