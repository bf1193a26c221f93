"""Playback progress, continue watching, and the viewing history."""

from datetime import datetime

from app.repositories.library import EntryPages, EntryRepository, lock_lists
from app.repositories.watching import Playback, Report, ReportRepository, WatchRepository
from app.schemas.domain.library import RenderedEntry
from app.schemas.domain.watching import View, WatchProgress
from app.services.library import Operation, ProgressAboveTotal, Target, UnknownTitle, apply
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database, Transaction

COUNTED = 90.0  # per cent of an episode after which it counts as watched


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
    ) -> tuple[WatchProgress, RenderedEntry | None]:
        """Store the playback position; an episode watched nearly to its end is counted on the list.

        The title is added to the list if necessary. Returns the stored position and the title's entry. Raises
        ``UnknownTitle``, ``ProgressAboveTotal``. A report older than the stored one does not change the
        position, but its episode is counted; a time in the future counts as now.
        """
        now = self._clock()
        at = min(reported_at or now, now)
        report = Report(user_id, anime_id, episode, position_seconds, percent, at)
        async with self._db.driver(fresh_plans=False) as driver:
            reports = ReportRepository(driver)
            playback = _known(await reports.find_playback(report), episode)
            seen = playback.percent is not None and playback.percent >= COUNTED
            if not seen and (stored := await reports.upsert(report)) is not None:
                return stored
        async with self._db.transaction() as tx:
            if seen:
                # Lock the list before the position: all writers of both use this order, so none deadlock.
                await lock_lists(tx, [user_id])
            stored_progress = await WatchRepository(tx).upsert(report)
            if seen:
                await _count_episode(tx, user_id, anime_id, episode, at=at, now=now)
            return stored_progress, await _entry_of(tx, user_id, anime_id)

    async def list_of_title(
        self, user_id: int, anime_id: int, *, limit: int, offset: int
    ) -> tuple[list[WatchProgress], int]:
        """The position in each episode of a title, by episode, and their number. Raises ``UnknownTitle``."""
        async with self._db.reader() as connection:
            watching = WatchRepository(connection)
            if await watching.find_playback(user_id, anime_id) is None:
                raise UnknownTitle
            return await watching.list_of_title(user_id, anime_id, limit=limit, offset=offset)

    async def forget(self, user_id: int, anime_id: int) -> None:
        """Delete the positions in a title, if any; the list is unchanged."""
        async with self._db.transaction() as tx:
            await WatchRepository(tx).delete_of_title(user_id, anime_id)

    async def list_to_continue(
        self, user_id: int, *, limit: int, offset: int
    ) -> tuple[list[WatchProgress], int]:
        """Continue watching: for each title an unfinished episode, or the beginning of the next one."""
        async with self._db.reader() as connection:
            return await WatchRepository(connection).list_to_continue(
                user_id, counted=COUNTED, limit=limit, offset=offset
            )

    async def log_view(
        self, user_id: int, anime_id: int, *, episode: int, release_id: int | None, at: datetime | None
    ) -> View:
        """Add to the viewing history; the list is unchanged.

        Raises ``UnknownTitle``, ``ProgressAboveTotal``.
        """
        async with self._db.transaction() as tx:
            watching = WatchRepository(tx)
            _known(await watching.find_playback(user_id, anime_id), episode)
            return await watching.insert_view(
                user_id, anime_id, episode=episode, release_id=release_id, viewed_at=at or self._clock()
            )

    async def list_views(self, user_id: int, *, limit: int, offset: int) -> tuple[list[View], int]:
        """One page of the viewing history, newest first, and the total number."""
        async with self._db.reader() as connection:
            return await WatchRepository(connection).list_views(user_id, limit=limit, offset=offset)


async def _entry_of(tx: Transaction, user_id: int, anime_id: int) -> RenderedEntry | None:
    pages = EntryPages(await tx.driver())
    return await pages.find(user_id, "core", anime_id=anime_id)


def _known(found: Playback | None, episode: int) -> Playback:
    if found is None:
        raise UnknownTitle
    if found.total is not None and episode > found.total:
        raise ProgressAboveTotal(found.total, field="episode")
    return found


async def _count_episode(
    tx: Transaction, user_id: int, anime_id: int, episode: int, *, at: datetime, now: datetime
) -> None:
    """Count the episode on the list, unless the title was removed from the list after it was watched."""
    if at < now and await EntryRepository(tx).was_deleted_since(user_id, anime_id, at):
        return
    watched = Operation("watch", Target(anime_id=anime_id), episode=episode, at=at)
    await apply(tx, user_id, [watched], origin="watch", now=now)
