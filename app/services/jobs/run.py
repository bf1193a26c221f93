"""One attempt at a job: lease, heartbeat, and transactions that commit only while the lease is held."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from app.logs import log
from app.repositories.jobs import JobRepository
from app.schemas.jobs import ClaimedJob, Job, JobClass
from app.services.jobs.retry_policy import JobTimings, TimedOut
from app.utils.background import start
from app.utils.db.database import Database, DatabaseUnavailable, Transaction

_PROGRESS_INTERVAL = 1.0  # seconds between two writes of the progress
_CANCEL_TIMEOUT = 5.0  # seconds for a cancelled handler to return


class LeaseLost(Exception):
    """Another worker has taken the job, or it is finished; the work of this run is void."""


class JobRun:
    """The context of a running job that its handler receives."""

    def __init__(self, db: Database, timings: JobTimings) -> None:
        self.token = uuid4()
        self.finished = False
        self._db = db
        self._timings = timings
        self._claimed: ClaimedJob | None = None
        self._row = asyncio.Lock()  # the heartbeat must not wait for the row lock of the last commit
        self._held_until = 0.0
        self._progress_at = 0.0
        self.unwritten_progress: tuple[int, int | None] | None = None
        self.ordered = asyncio.Event()  # set unless the job is upkeep; may be promoted while it runs

    async def claim(self, job_id: int) -> ClaimedJob | None:
        """Claim the job; None if it is not due, running elsewhere or finished."""
        return await self._take(lambda jobs: jobs.claim(job_id, self.token, lease=self._timings.lease))

    async def claim_next(self, job_class: JobClass) -> ClaimedJob | None:
        """Claim the next job of this class; None if none may run now."""
        return await self._take(
            lambda jobs: jobs.claim_next(job_class, self.token, lease=self._timings.lease)
        )

    async def _take(self, take: Callable[[JobRepository], Awaitable[ClaimedJob | None]]) -> ClaimedJob | None:
        self._held_until = time.monotonic() + self._timings.lease
        async with self._db.transaction() as tx:
            self._claimed = await take(JobRepository(tx))
        if self._claimed is not None and self._claimed.job_class != "upkeep":
            self.ordered.set()
        return self._claimed

    @property
    def claimed(self) -> ClaimedJob:
        if self._claimed is None:
            raise LeaseLost
        return self._claimed

    @asynccontextmanager
    async def transaction(self, *, finish: bool = False) -> AsyncIterator[Transaction]:
        """A transaction that commits only if this run still holds the lease, else raises :class:`LeaseLost`.

        With ``finish`` the same commit marks the job as succeeded, so that its effect happens exactly once.
        """
        async with AsyncExitStack() as until_committed:
            async with self._db.transaction() as tx:
                yield tx
                await until_committed.enter_async_context(self._row)
                jobs, job_id = JobRepository(tx), self.claimed.id
                held = jobs.succeed(job_id, self.token) if finish else jobs.hold(job_id, self.token)
                if not await held:
                    raise LeaseLost
            self.finished = self.finished or finish

    async def progress(self, done: int, total: int | None = None) -> None:
        """Record the progress; may be called often, since at most one call per second is written.

        The last one is written when the attempt ends.
        """
        now = time.monotonic()
        self.unwritten_progress = (done, total)
        if done != total and now - self._progress_at < _PROGRESS_INTERVAL:
            return
        self._progress_at = now
        try:
            async with self._db.transaction() as tx:
                held = await JobRepository(tx).set_progress(self.claimed.id, self.token, done, total)
        except DatabaseUnavailable:
            return  # the work itself will notice if it needs the database
        if not held:
            raise LeaseLost
        self.unwritten_progress = None

    async def attempt(self, perform: Callable[[], Awaitable[None]], *, limit: float) -> None:
        """Run the handler for at most ``limit`` seconds, with a heartbeat.

        Raises :class:`LeaseLost` or :class:`TimedOut` after the handler was cancelled.
        """
        work = asyncio.ensure_future(perform())
        heartbeat = start(self._heartbeat(), "heartbeat of a job")
        promotion = start(self._watch_promotion(), "promotion of a job")
        try:
            done, _ = await asyncio.wait(
                {work, heartbeat}, timeout=limit, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            heartbeat.cancel()
            promotion.cancel()
            if not work.done():
                await _stop(work)
        if work in done:
            work.result()
        elif heartbeat in done:
            heartbeat.result()
            raise LeaseLost
        else:
            raise TimedOut(f"The attempt was stopped after {limit:g} seconds.")

    async def _heartbeat(self) -> None:
        """Extend the lease periodically; return when it is lost."""
        while True:
            await asyncio.sleep(self._timings.heartbeat)
            try:
                async with self._row:
                    if not self.finished and not await self._renew():
                        return
            except DatabaseUnavailable:
                if time.monotonic() > self._held_until:
                    return

    async def _watch_promotion(self) -> None:
        """Set ``ordered`` once a job that started as upkeep is promoted."""
        while not self.ordered.is_set():
            await asyncio.sleep(self._timings.promotion_check)
            try:
                async with self._db.reader() as connection:
                    job_class = await JobRepository(connection).job_class_of(self.claimed.id)
            except DatabaseUnavailable:
                continue  # the heartbeat finds out whether the lease is still held
            if job_class != "upkeep":
                self.ordered.set()

    async def _renew(self) -> bool:
        held_until = time.monotonic() + self._timings.lease
        async with self._db.transaction() as tx:
            held = await JobRepository(tx).renew(self.claimed.id, self.token, lease=self._timings.lease)
        self._held_until = held_until
        return held


async def _stop(work: "asyncio.Future[None]") -> None:
    work.cancel()
    _, pending = await asyncio.wait({work}, timeout=_CANCEL_TIMEOUT)
    if pending:
        log.error("job.ignored_cancellation")
    elif not work.cancelled():
        work.exception()  # mark as retrieved: what matters is why the work was stopped


Perform = Callable[[Job, JobRun], Awaitable[None]]
