"""The queue of jobs. The row is the truth; Redis only rings, and whatever it loses the sweep rings again."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Protocol

from app.errors import Conflict, NotFound
from app.logs import Outage, bound_contextvars, log
from app.repositories.imports import ImportRepository
from app.repositories.jobs import JobRepository
from app.schemas.jobs import (
    JOBS,
    ClaimedJob,
    EnqueuedJob,
    Job,
    JobClass,
    JobPage,
    JobState,
    JobStatus,
    QueuedJob,
    Sweep,
)
from app.services.jobs.retry_policy import GiveUp, JobTimings, TryAgain, after_attempt, is_bug, judge
from app.services.jobs.run import JobRun, LeaseLost, Perform
from app.utils.db.database import Database, DatabaseUnavailable, Transaction
from app.utils.metrics import JOB_ATTEMPTS
from app.utils.redis.client import REDIS_FAULTS

_RINGS_A_SWEEP = 50  # of a class; a worker that was rung for goes on until nothing is left
_LEASES_A_SWEEP = 100
_DELETED_AT_ONCE = 1000
_ROWS_AN_INSERT = 500
_DEAD_WORKER = "The worker that ran this job died."


class JobQueue(Protocol):
    """What rings at the workers; both methods may raise ``REDIS_FAULTS``."""

    async def send(self, job_id: int, job_class: JobClass) -> None:
        """Ring for a job: a worker with room for its class takes whichever of the class is next."""
        ...

    async def depths(self) -> Mapping[JobClass, int]:
        """How many messages of each class wait for a worker."""
        ...


class JobService:
    """``owner_id`` of the reading methods is whose jobs may be seen; None is everybody's."""

    def __init__(self, db: Database, queue: JobQueue, *, timings: JobTimings | None = None) -> None:
        self._db = db
        self._queue = queue
        self._timings = timings or JobTimings()
        self._outage = Outage("database")

    async def enqueue(
        self, tx: Transaction, job: Job, *, owner_id: int | None = None, run_after: datetime | None = None
    ) -> EnqueuedJob:
        """Queue the job with the caller's transaction, to run at once or not before ``run_after``.

        When a live job has the same key, the answer is that one; if it was less urgent, it no longer is.
        """
        enqueued = await JobRepository(tx).insert(job, owner_id=owner_id, run_after=run_after)
        if enqueued.promoted or (enqueued.created and run_after is None):
            tx.after_commit(lambda: self._send([QueuedJob(enqueued.id, job.job_class)]))
        return enqueued

    async def enqueue_many(
        self,
        tx: Transaction,
        jobs: Sequence[Job],
        *,
        owner_id: int | None = None,
        job_class: JobClass | None = None,
    ) -> int:
        """Queue those of the jobs whose key is not live, and answer how many those were.

        With ``job_class`` in that class, else each in its own.
        """
        created: list[QueuedJob] = []
        for start in range(0, len(jobs), _ROWS_AN_INSERT):
            some = jobs[start : start + _ROWS_AN_INSERT]
            created += await JobRepository(tx).insert_many(some, owner_id=owner_id, job_class=job_class)
        tx.after_commit(lambda: self._send(created))
        return len(created)

    async def promote_upkeep(self, tx: Transaction, jobs: Sequence[Job]) -> None:
        """Move those of the jobs that are live as upkeep to their own class."""
        for job_class in {job.job_class for job in jobs}:
            keys = [job.key for job in jobs if job.job_class == job_class]
            moved = await JobRepository(tx).promote_upkeep(keys, job_class)
            tx.after_commit(partial(self._send, moved))

    async def submit(
        self, job: Job, *, owner_id: int | None = None, run_after: datetime | None = None
    ) -> EnqueuedJob:
        """Queue the job in a transaction of its own."""
        async with self._db.transaction() as tx:
            return await self.enqueue(tx, job, owner_id=owner_id, run_after=run_after)

    async def get(self, job_id: int, *, owner_id: int | None = None) -> JobState:
        async with self._db.reader() as connection:
            found = await JobRepository(connection).find(job_id, owner_id=owner_id)
        if found is None:
            raise NotFound("There is no such job.")
        return found

    async def list(
        self,
        *,
        owner_id: int | None = None,
        status: JobStatus | None = None,
        kind: str | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> JobPage:
        async with self._db.reader() as connection:
            jobs = JobRepository(connection)
            page = await jobs.list_page(
                owner_id=owner_id, status=status, kind=kind, limit=limit, offset=offset
            )
            return JobPage(page, await jobs.count(owner_id=owner_id, status=status, kind=kind))

    async def retry(self, job_id: int, *, owner_id: int | None = None) -> JobState:
        """Queue a failed job once more, as if it were new."""
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx)
            job = await jobs.find(job_id, owner_id=owner_id)
            if job is None:
                raise NotFound("There is no such job.")
            if job.status != "failed":
                raise Conflict(f"Only a failed job can be retried; this one is {job.status}.")
            job_class = JOBS.get(job.kind, Job).job_class
            if not await jobs.revive(job_id, job_class):
                raise Conflict("The same work is queued or running already.", details={"key": job.key})
            if await ImportRepository(tx).is_without_content(
                job_id
            ):  # in a transaction that then does nothing
                raise Conflict("The import was taken back: send its file again.")
            tx.after_commit(lambda: self._send([QueuedJob(job_id, job_class)]))
        return await self.get(job_id, owner_id=owner_id)

    async def count_queued(self, kind: type[Job], job_class: JobClass) -> int:
        async with self._db.reader() as connection:
            return await JobRepository(connection).count_queued(kind.name, job_class)

    async def run(self, job_id: int, perform: Perform) -> None:
        """Make one attempt at a job; one that is not due, runs elsewhere or is over is left alone."""
        run = JobRun(self._db, self._timings)
        claimed = await self._claim(lambda: run.claim(job_id))
        if claimed is not None:
            await self._attempt(run, claimed, perform)

    async def run_next(self, job_class: JobClass, perform: Perform) -> bool:
        """Make one attempt at the job of this class whose turn it is; False when none may run now."""
        run = JobRun(self._db, self._timings)
        claimed = await self._claim(lambda: run.claim_next(job_class))
        if claimed is not None:
            await self._attempt(run, claimed, perform)
        return claimed is not None

    async def _attempt(self, run: JobRun, claimed: ClaimedJob, perform: Perform) -> None:
        with bound_contextvars(job_id=claimed.id, kind=claimed.kind):
            started = time.monotonic()
            try:
                job = Job.read(claimed.kind, claimed.arguments)
                await run.attempt(lambda: perform(job, run), limit=job.timeout)
            except LeaseLost:
                log.warning("job.lease_lost")
            except asyncio.CancelledError:
                await asyncio.shield(self._release(run))
                raise
            except Exception as error:  # noqa: BLE001  # whatever a handler raises ends in the row
                await self._after_failure(run, error)
            else:
                await self._after_success(run, seconds=time.monotonic() - started)

    async def sweep(self) -> Sweep:
        """Take jobs from dead workers, and ring for those whose message was lost or whose time has come."""
        requeued, failed = await self._reap()
        try:
            depths = await self._queue.depths()
        except REDIS_FAULTS:
            return Sweep(0, requeued, failed)
        to_send: list[QueuedJob] = []
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx)
            for job_class, due in (await jobs.count_due()).items():
                unheard = min(due - depths.get(job_class, 0), _RINGS_A_SWEEP)
                if unheard > 0:
                    to_send += await jobs.mark_sent(job_class, quiet=self._timings.quiet, limit=unheard)
        await self._send(to_send)
        return Sweep(len(to_send), requeued, failed)

    async def fire(self, name: str, job: Job, *, every: float) -> bool:
        """Queue a periodic job unless it was fired within ``every`` seconds, by whichever scheduler."""
        async with self._db.transaction() as tx:
            fired = await JobRepository(tx).fire(name, every=every)
            if fired:
                await self.enqueue(tx, job)
        return fired

    async def forget_old(self) -> int:
        """Delete finished jobs past their keeping, and answer how many there were."""
        deleted = 0
        while True:
            async with self._db.transaction() as tx:
                some = await JobRepository(tx).delete_old(
                    older=self._timings.keep, unowned=self._timings.keep_unowned, limit=_DELETED_AT_ONCE
                )
            deleted += some
            if some < _DELETED_AT_ONCE:
                return deleted

    async def _claim(self, claim: Callable[[], Awaitable[ClaimedJob | None]]) -> ClaimedJob | None:
        """Claim, however long PostgreSQL is away: the message is spent, and later ones can wait too."""
        while True:
            try:
                claimed = await claim()
            except DatabaseUnavailable as error:
                self._outage.begins(error)
                await asyncio.sleep(1)
            else:
                self._outage.ends()
                return claimed

    async def _after_success(self, run: JobRun, *, seconds: float) -> None:
        if run.finished or await self._write(run, None):
            JOB_ATTEMPTS.labels(run.claimed.kind, "succeeded").inc()
            log.info("job.succeeded", seconds=round(seconds, 3))

    async def _after_failure(self, run: JobRun, error: Exception) -> None:
        if run.finished:
            log.error("job.failed_after_its_end", exc_info=error)
            return
        job = run.claimed
        verdict = judge(error, kind=job.kind, attempts=job.attempts, age=job.age, timings=self._timings)
        if await self._write(run, verdict):
            outcome = "failed" if isinstance(verdict, GiveUp) else "retried" if verdict.counted else "put off"
            JOB_ATTEMPTS.labels(job.kind, outcome).inc()
            _log_verdict(verdict, attempts=job.attempts, error=error if is_bug(error) else None)

    async def _release(self, run: JobRun) -> None:
        """Give the job of a run that was cancelled back at once; the attempt was not its fault."""
        if not run.finished and await self._write(run, TryAgain(0, "", counted=False)):
            log.info("job.released")
            await self._send([QueuedJob(run.claimed.id, run.claimed.job_class)])

    async def _write(self, run: JobRun, verdict: GiveUp | TryAgain | None) -> bool:
        """Write how the attempt ended; False when the lease was lost, and then nothing is written."""
        deadline = time.monotonic() + self._timings.lease
        while True:
            try:
                async with self._db.transaction() as tx:
                    held = await _settle(JobRepository(tx), run, verdict)
            except DatabaseUnavailable as error:
                self._outage.begins(error)
                if time.monotonic() > deadline:
                    log.warning("job.end_not_written")
                    return False
                await asyncio.sleep(1)
            else:
                self._outage.ends()
                if not held:
                    log.warning("job.lease_lost")
                return held

    async def _reap(self) -> tuple[int, int]:
        """Requeue the jobs of dead workers, or fail those that were tried often enough."""
        requeued = failed = 0
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx)
            for dead in await jobs.lock_expired(limit=_LEASES_A_SWEEP):
                verdict = after_attempt(
                    _DEAD_WORKER, kind=dead.kind, attempts=dead.attempts, timings=self._timings
                )
                if isinstance(verdict, GiveUp):
                    await jobs.give_up(dead.id, error=verdict.reason)
                    failed += 1
                else:
                    await jobs.take_back(dead.id, delay=verdict.delay, error=verdict.reason)
                    requeued += 1
        return requeued, failed

    async def _send(self, jobs: Sequence[QueuedJob]) -> None:
        """Ring for jobs; where Redis is down, the sweep will, once it is back."""
        for position, job in enumerate(jobs):
            try:
                await self._queue.send(job.id, job.job_class)
            except REDIS_FAULTS:
                unsent = [one.id for one in jobs[position:]]
                with suppress(DatabaseUnavailable):  # then they count as sent, and are rung for a bit later
                    async with self._db.transaction() as tx:
                        await JobRepository(tx).mark_unsent(unsent)
                return


async def _settle(jobs: JobRepository, run: JobRun, verdict: GiveUp | TryAgain | None) -> bool:
    job_id = run.claimed.id
    if run.unwritten_progress is not None:
        await jobs.set_progress(job_id, run.token, *run.unwritten_progress)
    if verdict is None:
        return await jobs.succeed(job_id, run.token)
    if isinstance(verdict, GiveUp):
        return await jobs.fail(job_id, run.token, verdict.reason)
    return await jobs.requeue(
        job_id, run.token, delay=verdict.delay, error=verdict.reason or None, counted=verdict.counted
    )


def _log_verdict(verdict: GiveUp | TryAgain, *, attempts: int, error: Exception | None) -> None:
    if isinstance(verdict, GiveUp):
        log.error("job.failed", reason=verdict.reason, attempts=attempts, exc_info=error)
    elif verdict.counted:
        log.warning(
            "job.will_retry", reason=verdict.reason, attempts=attempts, in_seconds=round(verdict.delay, 1),
            exc_info=error,
        )  # fmt: skip
    else:
        log.info("job.put_off", reason=verdict.reason, in_seconds=round(verdict.delay, 1))
