"""One attempt at a job: its lease, its heartbeat, and writes that only the holder of the lease can make."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from app.logs import log
from app.repositories.jobs import JobRepository
from app.schemas.jobs import ClaimedJob, Job, JobClass
from app.services.jobs.retry_policy import JobTimings, TooSlow
from app.utils.background import start
from app.utils.db.database import Database, DatabaseUnavailable, Transaction

_PROGRESS_EVERY = 1.0  # seconds between two writes of the progress
_CANCEL_WAIT = 5.0  # seconds a cancelled handler has to let go


class LeaseLost(Exception):
    """The job is somebody else's by now, or over; what this run does no longer counts."""


class JobRun:
    """What a handler is given beside its job."""

    def __init__(self, db: Database, timings: JobTimings) -> None:
        self.token = uuid4()
        self.finished = False
        self._db = db
        self._timings = timings
        self._claimed: ClaimedJob | None = None
        self._row = asyncio.Lock()  # keeps our own heartbeat from meeting our own last commit
        self._held_until = 0.0
        self._progress_at = 0.0
        self.unwritten_progress: tuple[int, int | None] | None = None
        self.ordered = asyncio.Event()  # set once the job is more than upkeep, which may be while it runs

    async def claim(self, job_id: int) -> ClaimedJob | None:
        """Take the job; None when it is not due, running elsewhere, or over."""
        return await self._take(lambda jobs: jobs.claim(job_id, self.token, lease=self._timings.lease))

    async def claim_next(self, job_class: JobClass) -> ClaimedJob | None:
        """Take the job of this class whose turn it is; None when none may run now."""
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
        """A transaction that commits only while this run holds the job, else raises :class:`LeaseLost`.

        With ``finish`` the same commit ends the job as succeeded: its effect then happens exactly once.
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
        """Note how far the work is; call it as often as is handy, about one a second is written.

        The last one is written with the end of the attempt.
        """
        now = time.monotonic()
        self.unwritten_progress = (done, total)
        if done != total and now - self._progress_at < _PROGRESS_EVERY:
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
        """Do the work for at most ``limit`` seconds, with a heartbeat that ends it when the lease is lost."""
        work = asyncio.ensure_future(perform())
        heartbeat = start(self._beat(), "heartbeat of a job")
        promotion = start(self._notice_promotion(), "promotion of a job")
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
            raise TooSlow(f"The attempt was stopped after {limit:g} seconds.")

    async def _beat(self) -> None:
        """Extend the lease again and again; return when it is lost."""
        while True:
            await asyncio.sleep(self._timings.heartbeat)
            try:
                async with self._row:
                    if not self.finished and not await self._renew():
                        return
            except DatabaseUnavailable:
                if time.monotonic() > self._held_until:
                    return

    async def _notice_promotion(self) -> None:
        """Look again and again whether somebody ordered what runs as upkeep."""
        while not self.ordered.is_set():
            await asyncio.sleep(self._timings.promotion_check)
            try:
                async with self._db.reader() as connection:
                    job_class = await JobRepository(connection).job_class_of(self.claimed.id)
            except DatabaseUnavailable:
                continue  # the heartbeat tells whether the job is still ours
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
    _, stubborn = await asyncio.wait({work}, timeout=_CANCEL_WAIT)
    if stubborn:
        log.error("job.would_not_stop")
    elif not work.cancelled():
        work.exception()  # noted as seen; the job is judged by what stopped it


Perform = Callable[[Job, JobRun], Awaitable[None]]
