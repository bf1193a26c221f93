"""Playback progress, what to go on with, and the viewing log."""

from dataclasses import replace
from datetime import datetime

from app.repositories.library import EntryRepository, lock_lists
from app.repositories.watching import WatchRepository
from app.schemas.domain.library import Subject
from app.schemas.domain.watching import View, WatchProgress
from app.services.library import Operation, ProgressAboveTotal, Target, UnknownTitle, apply
from app.utils.clock import Clock, utc_now
from app.utils.database import Database, Transaction

COUNTED = 90.0  # per cent; from here on an episode counts as seen


class WatchService:
    def __init__(self, db: Database, clock: Clock = utc_now) -> None:
        self._db = db
        self._clock = clock

    async def report(
        self,
        user_id: int,
        anime_id: int,
        *,
        episode: int,
        position_seconds: int | None,
        percent: float | None,
        reported_at: datetime | None,
    ) -> WatchProgress:
        """Keep where the person stopped; one that is (nearly) through counts on the list.

        Raises ``UnknownTitle``, ``ProgressAboveTotal``. A report older than the one that is kept does not
        move it, but what it saw was seen; a client's clock that runs ahead counts as now.
        """
        now = self._clock()
        async with self._db.transaction() as tx:
            await lock_lists(tx, [user_id])  # before the first write, as all who write a list do
            await _subject(tx, anime_id, episode)
            kept, seen = await WatchRepository(tx).upsert(
                user_id,
                anime_id,
                episode=episode,
                position_seconds=position_seconds,
                percent=percent,
                reported_at=min(reported_at or now, now),
            )
            if seen is not None and seen >= COUNTED:
                await _count_episode(tx, user_id, anime_id, episode, now.date().isoformat())
            return kept

    async def list_to_continue(
        self, user_id: int, *, limit: int, offset: int
    ) -> tuple[list[WatchProgress], int]:
        """Where to go on: an episode that was not finished, or the beginning of the next one."""
        async with self._db.reader() as connection:
            last, total = await WatchRepository(connection).list_to_continue(
                user_id, counted=COUNTED, limit=limit, offset=offset
            )
        return [_next(progress) for progress in last], total

    async def log_view(
        self, user_id: int, anime_id: int, *, episode: int, release_id: int | None, at: datetime | None
    ) -> View:
        """Raises ``UnknownTitle``, ``ProgressAboveTotal``."""
        async with self._db.transaction() as tx:
            await _subject(tx, anime_id, episode)
            return await WatchRepository(tx).insert_view(
                user_id, anime_id, episode=episode, release_id=release_id, viewed_at=at or self._clock()
            )

    async def list_views(self, user_id: int, *, limit: int, offset: int) -> tuple[list[View], int]:
        """One page of the log, newest first, and how many there are in all."""
        async with self._db.reader() as connection:
            return await WatchRepository(connection).list_views(user_id, limit=limit, offset=offset)


async def _subject(tx: Transaction, anime_id: int, episode: int) -> Subject:
    for subject in await EntryRepository(tx).subjects(anime_ids=[anime_id]):
        if subject.total is not None and episode > subject.total:
            raise ProgressAboveTotal(subject.total, field="episode")
        return subject
    raise UnknownTitle


async def _count_episode(tx: Transaction, user_id: int, anime_id: int, episode: int, today: str) -> None:
    """Raise the progress on the list to the episode; it never falls, and no entry is made."""
    operation = Operation("update", Target(anime_id=anime_id), {}, at_least=episode)
    await apply(tx, user_id, [operation], origin="watch", today=today)


def _next(last: WatchProgress) -> WatchProgress:
    if last.percent is None or last.percent < COUNTED:
        return last
    return replace(last, episode=last.episode + 1, position_seconds=0, percent=0.0)
