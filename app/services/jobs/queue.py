"""The job queue: rows are authoritative, Redis only notifies workers, a sweep repeats lost notifications."""

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
from app.repositories.jobs import JobOverview, JobRepository
from app.schemas.domain.jobs import ClaimedJob, EnqueuedJob, JobPage, JobState, QueuedJob, Sweep
from app.schemas.jobs import JOBS, Job, JobClass, JobStatus
from app.services.jobs.retry_policy import Fail, JobTimings, Retry, after_attempt, decide, is_bug
from app.services.jobs.run import JobRun, LeaseLost, Perform
from app.utils.db.database import Database, DatabaseUnavailable, Transaction
from app.utils.metrics import JOB_ATTEMPTS
from app.utils.redis.client import REDIS_FAULTS

_SENDS_PER_SWEEP = 50  # per class; a notified worker continues until no job is left
_LEASES_PER_SWEEP = 100
_DELETE_BATCH = 1000
_INSERT_BATCH = 500
_DEAD_WORKER = "The worker that ran this job died."


class JobQueue(Protocol):
    """Notifies the workers; both methods may raise ``REDIS_FAULTS``."""

    async def send(self, job_id: int, job_class: JobClass) -> None:
        """Notify: a worker with room for the class takes whichever of its jobs is next."""
        ...

    async def depths(self) -> Mapping[JobClass, int]:
        """The number of messages per class that wait for a worker."""
        ...


class JobService:
    """Enqueues, runs and lists jobs. ``owner_id`` of the reads restricts them to a user; None is everyone."""

    def __init__(self, db: Database, queue: JobQueue, *, timings: JobTimings | None = None) -> None:
        self._db = db
        self._queue = queue
        self._timings = timings or JobTimings()
        self._outage = Outage("database")

    async def enqueue(
        self, tx: Transaction, job: Job, *, owner_id: int | None = None, run_after: datetime | None = None
    ) -> EnqueuedJob:
        """Queue the job in the caller's transaction, to run at once or not before ``run_after``.

        If a queued or running job has the same key, that one is returned, promoted to this job's class if
        it was less urgent.
        """
        enqueued = await JobRepository(tx).insert(job, owner_id=owner_id, run_after=run_after)
        if enqueued.promoted or (enqueued.created and run_after is None):
            tx.after_commit(lambda: self._send([QueuedJob(enqueued.id, job.queue_class)]))
        return enqueued

    async def enqueue_many(
        self,
        tx: Transaction,
        jobs: Sequence[Job],
        *,
        owner_id: int | None = None,
        job_class: JobClass | None = None,
    ) -> int:
        """Queue the jobs whose key has no queued or running job; returns how many.

        ``job_class`` overrides the class of all of them.
        """
        created: list[QueuedJob] = []
        for start in range(0, len(jobs), _INSERT_BATCH):
            batch = jobs[start : start + _INSERT_BATCH]
            created += await JobRepository(tx).insert_many(batch, owner_id=owner_id, job_class=job_class)
        tx.after_commit(lambda: self._send(created))
        return len(created)

    async def promote_upkeep(self, tx: Transaction, jobs: Sequence[Job]) -> None:
        """Move those jobs that are queued or running as upkeep to their own class."""
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
        """Queue a failed job again, with all its attempts."""
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx)
            job = await jobs.find(job_id, owner_id=owner_id)
            if job is None:
                raise NotFound("There is no such job.")
            if job.status != "failed":
                raise Conflict(f"Only a failed job can be retried; this one is {job.status}.")
            job_class = JOBS.get(job.kind, Job).job_class
            if not await jobs.revive(job_id, job_class):
                raise Conflict("The same job is already queued or running.", details={"key": job.key})
            if await ImportRepository(tx).is_without_content(
                job_id
            ):  # the raised error rolls the transaction back
                raise Conflict("The import was undone: upload its file again.")
            tx.after_commit(lambda: self._send([QueuedJob(job_id, job_class)]))
        return await self.get(job_id, owner_id=owner_id)

    async def count_queued(self, kind: type[Job], job_class: JobClass) -> int:
        async with self._db.reader() as connection:
            return await JobRepository(connection).count_queued(kind.name, job_class)

    async def run(self, job_id: int, perform: Perform) -> None:
        """Make one attempt at a job; does nothing if it is not due, running elsewhere or finished."""
        run = JobRun(self._db, self._timings)
        claimed = await self._claim(lambda: run.claim(job_id))
        if claimed is not None:
            await self._attempt(run, claimed, perform)

    async def run_next(self, job_class: JobClass, perform: Perform) -> bool:
        """Make one attempt at the next job of this class; False if none may run now."""
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
            except Exception as error:  # noqa: BLE001  # any failure of a handler is recorded in the row
                await self._after_failure(run, error)
            else:
                await self._after_success(run, seconds=time.monotonic() - started)

    async def sweep(self) -> Sweep:
        """Requeue jobs of dead workers; notify of jobs that are due or whose notification was lost."""
        async with self._db.driver(fresh_plans=None) as driver:
            expired, due = await JobOverview(driver).has_expired_or_due()
        if not expired and not due:
            return Sweep()
        requeued, failed = await self._recover_expired() if expired else (0, 0)
        try:
            depths = await self._queue.depths()
        except REDIS_FAULTS:
            return Sweep(0, requeued, failed)
        to_send: list[QueuedJob] = []
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx)
            for job_class, number in (await jobs.count_due()).items():
                missing = min(number - depths.get(job_class, 0), _SENDS_PER_SWEEP)
                if missing > 0:
                    to_send += await jobs.mark_sent(
                        job_class, quiet=self._timings.resend_after, limit=missing
                    )
        await self._send(to_send)
        return Sweep(len(to_send), requeued, failed)

    async def due(self, intervals: Mapping[str, float]) -> set[str]:
        """The periodic jobs, given with their intervals in seconds, that :meth:`fire` would queue now."""
        async with self._db.driver(fresh_plans=None) as driver:
            ages = await JobOverview(driver).seconds_since_fired()
        return {name for name, every in intervals.items() if ages.get(name, every) >= every}

    async def fire(self, name: str, job: Job, *, every: float) -> bool:
        """Queue a periodic job unless a scheduler fired it within the last ``every`` seconds."""
        async with self._db.transaction() as tx:
            fired = await JobRepository(tx).fire(name, every=every)
            if fired:
                await self.enqueue(tx, job)
        return fired

    async def forget_old(self) -> int:
        """Delete finished jobs past their retention time; returns how many."""
        deleted = 0
        while True:
            async with self._db.transaction() as tx:
                batch = await JobRepository(tx).delete_old(
                    older=self._timings.keep, unowned=self._timings.keep_unowned, limit=_DELETE_BATCH
                )
            deleted += batch
            if batch < _DELETE_BATCH:
                return deleted

    async def _claim(self, claim: Callable[[], Awaitable[ClaimedJob | None]]) -> ClaimedJob | None:
        """Claim a job, retrying while PostgreSQL is down: the message is consumed and would be lost."""
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
            log.error("job.failed_after_finish", exc_info=error)
            return
        job = run.claimed
        decision = decide(error, kind=job.kind, attempts=job.attempts, age=job.age, timings=self._timings)
        if await self._write(run, decision):
            outcome = (
                "failed" if isinstance(decision, Fail) else "retried" if decision.counted else "postponed"
            )
            JOB_ATTEMPTS.labels(job.kind, outcome).inc()
            _log_decision(decision, attempts=job.attempts, error=error if is_bug(error) else None)

    async def _release(self, run: JobRun) -> None:
        """Requeue the job of a cancelled run immediately; this does not count as an attempt."""
        if not run.finished and await self._write(run, Retry(0, "", counted=False)):
            log.info("job.released")
            await self._send([QueuedJob(run.claimed.id, run.claimed.job_class)])

    async def _write(self, run: JobRun, decision: Fail | Retry | None) -> bool:
        """Record how the attempt ended (None is success); False if the lease was lost."""
        deadline = time.monotonic() + self._timings.lease
        while True:
            try:
                async with self._db.transaction() as tx:
                    held = await _finish(JobRepository(tx), run, decision)
            except DatabaseUnavailable as error:
                self._outage.begins(error)
                if time.monotonic() > deadline:
                    log.warning("job.outcome_not_written")
                    return False
                await asyncio.sleep(1)
            else:
                self._outage.ends()
                if not held:
                    log.warning("job.lease_lost")
                return held

    async def _recover_expired(self) -> tuple[int, int]:
        """Requeue the jobs of dead workers, or fail those without attempts left; returns both counts."""
        requeued = failed = 0
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx)
            for dead in await jobs.lock_expired(limit=_LEASES_PER_SWEEP):
                decision = after_attempt(
                    _DEAD_WORKER, kind=dead.kind, attempts=dead.attempts, timings=self._timings
                )
                if isinstance(decision, Fail):
                    await jobs.fail_dead(dead.id, error=decision.reason)
                    failed += 1
                else:
                    await jobs.requeue_dead(dead.id, delay=decision.delay, error=decision.reason)
                    requeued += 1
        return requeued, failed

    async def _send(self, jobs: Sequence[QueuedJob]) -> None:
        """Notify workers of jobs; if Redis is down, the sweep does it once Redis is back."""
        for position, job in enumerate(jobs):
            try:
                await self._queue.send(job.id, job.job_class)
            except REDIS_FAULTS:
                unsent = [job.id for job in jobs[position:]]
                with suppress(DatabaseUnavailable):  # they count as sent, and the sweep sends them again
                    async with self._db.transaction() as tx:
                        await JobRepository(tx).mark_unsent(unsent)
                return


async def _finish(jobs: JobRepository, run: JobRun, decision: Fail | Retry | None) -> bool:
    job_id = run.claimed.id
    if run.unwritten_progress is not None:
        await jobs.set_progress(job_id, run.token, *run.unwritten_progress)
    if decision is None:
        return await jobs.succeed(job_id, run.token)
    if isinstance(decision, Fail):
        return await jobs.fail(job_id, run.token, decision.reason)
    return await jobs.requeue(
        job_id, run.token, delay=decision.delay, error=decision.reason or None, counted=decision.counted
    )


def _log_decision(decision: Fail | Retry, *, attempts: int, error: Exception | None) -> None:
    if isinstance(decision, Fail):
        log.error("job.failed", reason=decision.reason, attempts=attempts, exc_info=error)
    elif decision.counted:
        log.warning(
            "job.will_retry", reason=decision.reason, attempts=attempts, in_seconds=round(decision.delay, 1),
            exc_info=error,
        )  # fmt: skip
    else:
        # at debug level: the upstream's client has logged the outage once, however many jobs wait for it
        log.debug("job.postponed", reason=decision.reason, in_seconds=round(decision.delay, 1))
