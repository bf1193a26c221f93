"""Queue refreshes of stale titles in the background of the reads that notice them, in bounded numbers."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from app.logs import Outage
from app.schemas.jobs import JobClass, SyncAnime
from app.services.catalogue.staleness import REQUESTED_FOR
from app.services.jobs import JobService
from app.utils.background import start
from app.utils.db.database import Database, DatabaseUnavailable

MOST_QUEUED = 100  # queued refreshes; about two minutes of Jikan's rate limit

_MOST_PENDING = 200  # requests of this process that are not queued yet; more are dropped
_MOST_REMEMBERED = 5000


class RefreshQueue:
    """Accepts requests without delay or failure; one task turns them into jobs, deduplicated by key."""

    def __init__(
        self, db: Database, jobs: JobService, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._requested: OrderedDict[int, float] = OrderedDict()
        self._pending: dict[int, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._outage = Outage("database")

    def request(self, mal_id: int) -> None:
        """Request a refresh of the title, unless it was requested a moment ago."""
        now = self._clock()
        if now < self._requested.get(mal_id, now) or len(self._pending) >= _MOST_PENDING:
            return
        self._requested[mal_id] = now + REQUESTED_FOR.total_seconds()
        self._requested.move_to_end(mal_id)
        if len(self._requested) > _MOST_REMEMBERED:
            self._requested.popitem(last=False)
        self._pending[mal_id] = None
        if self._task is None or self._task.done():
            self._task = start(self._drain(), "refreshes")

    async def queue(self, mal_ids: Sequence[int], job_class: JobClass = "upkeep") -> int:
        """Queue as many as there is room for, in this order; returns how many were new.

        With another class than upkeep, existing upkeep jobs of the titles are moved to it.
        """
        room = await self.room(job_class)
        if room <= 0 or not mal_ids:
            return 0
        jobs = [SyncAnime(mal_id) for mal_id in mal_ids[:room]]
        async with self._db.transaction() as tx:
            if job_class != "upkeep":
                await self._jobs.promote_upkeep(tx, jobs)
            return await self._jobs.enqueue_many(tx, jobs, job_class=job_class)

    async def room(self, job_class: JobClass = "upkeep") -> int:
        """How many more refreshes may be queued in this class."""
        return max(0, MOST_QUEUED - await self._jobs.count_queued(SyncAnime, job_class))

    async def settle(self) -> None:
        """Wait until all requests so far have been processed."""
        if self._task is not None:
            await self._task

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _drain(self) -> None:
        while self._pending:
            batch = list(self._pending)
            self._pending.clear()
            try:
                await self.queue(batch, SyncAnime.job_class)
                self._outage.ends()
            except DatabaseUnavailable as error:  # the next read of the title requests it again
                self._outage.begins(error)
