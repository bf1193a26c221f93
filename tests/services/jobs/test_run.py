"""One attempt at a job: claim, lease, fencing, failures."""

import asyncio
from datetime import timedelta

import pytest

from app.errors import Invalid, NotFound, UpstreamError, UpstreamUnavailable
from app.repositories.jobs import JobRepository
from app.schemas.jobs import Job
from app.services.jobs import JobRun, JobService, JobTimings, LeaseLost
from app.utils.db.database import Database, DatabaseUnavailable
from tests.fixtures.jobs import QUICK, Mark, RecordingQueue, SleepingJob, Table, leave_mark

ARREARS = "update jobs set lease_until = now() - interval '1 second' where status = 'running'"
DUE = "update jobs set run_after = now()"


async def marking(job: Job, run: JobRun) -> None:
    async with run.transaction(finish=True) as tx:
        await leave_mark(tx, 1)


async def test_a_redelivered_message_does_nothing(jobs: JobService, table: Table) -> None:
    enqueued = await jobs.submit(Mark(1))
    for _ in range(3):
        await jobs.run(enqueued.id, marking)
    row = await table.job(enqueued.id)
    assert (row.status, row.attempts, row.error, row.lease_token) == ("succeeded", 1, None, None)
    assert row.created_at <= row.started_at <= row.finished_at
    assert await table.marks() == [1]


async def test_concurrent_deliveries_run_a_job_once(jobs: JobService, table: Table) -> None:
    enqueued = await jobs.submit(Mark(1))
    await asyncio.gather(*(jobs.run(enqueued.id, marking) for _ in range(10)))
    assert await table.marks() == [1]
    assert (await table.job(enqueued.id)).attempts == 1


async def test_unknown_job_ids_are_ignored(jobs: JobService, table: Table) -> None:
    await jobs.run(999_999, marking)
    assert await table.marks() == []


async def test_a_job_without_effects_of_its_own_succeeds_when_its_handler_returns(
    jobs: JobService, table: Table
) -> None:
    async def nothing(job: Job, run: JobRun) -> None:
        assert job == Mark(3, seconds=0.5)

    enqueued = await jobs.submit(Mark(3, seconds=0.5))
    await jobs.run(enqueued.id, nothing)
    row = await table.job(enqueued.id)
    assert (row.status, row.done, row.total) == ("succeeded", 1, 1)


async def test_a_permanent_failure_is_not_retried(jobs: JobService, table: Table) -> None:
    async def missing(job: Job, run: JobRun) -> None:
        raise NotFound("MyAnimeList has no title 7.")

    enqueued = await jobs.submit(Mark(1))
    await jobs.run(enqueued.id, missing)
    row = await table.job(enqueued.id)
    assert (row.status, row.attempts, row.error) == ("failed", 1, "MyAnimeList has no title 7.")


async def test_a_failure_that_may_pass_is_retried_with_backoff_then_fails(
    database: Database, bell: RecordingQueue, table: Table
) -> None:
    jobs = JobService(database, bell)

    async def failing(job: Job, run: JobRun) -> None:
        raise UpstreamError("Jikan answered 500.")

    enqueued = await jobs.submit(Mark(1))
    for attempt in range(1, 6):
        await jobs.run(enqueued.id, failing)
        row = await table.job(enqueued.id)
        assert (row.attempts, row.error) == (attempt, "Jikan answered 500.")
        if attempt < 5:
            assert row.status == "queued"
            await jobs.run(enqueued.id, failing)
            assert (await table.job(enqueued.id)).attempts == attempt, "it ran before its time"
            await table.rows(DUE)
            bell.rung.clear()
            assert (await jobs.sweep()).sent == 1
            assert bell.rung == [enqueued.id]
    assert row.status == "failed"
    assert row.finished_at is not None


async def test_a_bug_is_recorded_without_details(jobs: JobService, table: Table) -> None:
    async def buggy(job: Job, run: JobRun) -> None:
        raise ZeroDivisionError("secret of the house")

    enqueued = await jobs.submit(Mark(1))
    await jobs.run(enqueued.id, buggy)
    assert (await table.job(enqueued.id)).error == "Internal error."


async def test_a_refusal_with_retry_after_is_not_an_attempt(jobs: JobService, table: Table) -> None:
    async def refused(job: Job, run: JobRun) -> None:
        raise UpstreamUnavailable("Jikan is being left alone.", retry_after=30)

    enqueued = await jobs.submit(Mark(1))
    for _ in range(7):
        await jobs.run(enqueued.id, refused)
        row = await table.job(enqueued.id)
        assert (row.status, row.attempts) == ("queued", 0)
        wait = row.run_after - row.started_at
        assert wait >= timedelta(seconds=29)
        await table.rows(DUE)


async def test_a_job_postponed_for_a_day_fails(jobs: JobService, table: Table) -> None:
    async def refused(job: Job, run: JobRun) -> None:
        raise UpstreamUnavailable("Jikan is being left alone.", retry_after=30)

    enqueued = await jobs.submit(Mark(1))
    await jobs.run(enqueued.id, refused)
    await table.rows("update jobs set run_after = now(), started_at = now() - interval '1 day'")
    await jobs.run(enqueued.id, refused)
    assert (await table.job(enqueued.id)).status == "failed"


async def test_an_attempt_has_a_time_limit(jobs: JobService, table: Table) -> None:
    stopped = asyncio.Event()

    async def endless(job: Job, run: JobRun) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            stopped.set()

    enqueued = await jobs.submit(SleepingJob())
    await jobs.run(enqueued.id, endless)
    row = await table.job(enqueued.id)
    assert (row.status, row.attempts) == ("queued", 1)
    assert "0.1 seconds" in row.error
    assert stopped.is_set()


@pytest.mark.parametrize(
    ("kind", "arguments"), [("no.such_kind", "{}"), ("test.mark", '{"number": "x"}'), ("test.mark", "{}")]
)
async def test_unreadable_jobs_fail(jobs: JobService, table: Table, kind: str, arguments: str) -> None:
    inserted = await table.rows(
        "insert into jobs (key, kind, arguments) values ('k', :kind, cast(:arguments as jsonb)) returning id",
        kind=kind,
        arguments=arguments,
    )
    for _ in range(5):
        await table.rows(DUE)
        await jobs.run(inserted[0].id, marking)
    row = await table.job(inserted[0].id)
    assert (row.status, row.attempts) == ("failed", 5)
    assert kind in row.error
    assert await table.marks() == []


async def test_a_heartbeat_keeps_the_lease_of_a_long_job(jobs: JobService, table: Table) -> None:
    running = asyncio.Event()

    async def long(job: Job, run: JobRun) -> None:
        running.set()
        await asyncio.sleep(QUICK.lease * 1.6)

    enqueued = await jobs.submit(Mark(1))
    work = asyncio.create_task(jobs.run(enqueued.id, long))
    await running.wait()
    while not work.done():
        assert (await jobs.sweep()).requeued == 0
        await asyncio.sleep(0.2)
    row = await table.job(enqueued.id)
    assert (row.status, row.attempts) == ("succeeded", 1)


async def test_a_run_that_lost_its_lease_is_stopped(jobs: JobService, table: Table) -> None:
    stopped = asyncio.Event()

    async def endless(job: Job, run: JobRun) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            stopped.set()

    enqueued = await jobs.submit(Mark(1))
    work = asyncio.create_task(jobs.run(enqueued.id, endless))
    await table.until_status(enqueued.id, "running")
    await table.rows(ARREARS)
    await jobs.sweep()
    await asyncio.wait_for(work, QUICK.heartbeat * 5)
    assert stopped.is_set()
    assert (await table.job(enqueued.id)).status == "queued"


async def test_a_run_without_its_lease_can_write_nothing(
    database: Database, jobs: JobService, table: Table
) -> None:
    enqueued = await jobs.submit(Mark(1))
    zombie = JobRun(database, QUICK)
    await zombie.claim(enqueued.id)
    await table.rows(ARREARS)
    await jobs.sweep()
    await table.rows(DUE)
    heir = JobRun(database, QUICK)
    assert await heir.claim(enqueued.id) is not None

    for finish in (False, True):
        with pytest.raises(LeaseLost):
            async with zombie.transaction(finish=finish) as tx:
                await leave_mark(tx, 666)
    with pytest.raises(LeaseLost):
        await zombie.progress(1, 2)
    row = await table.job(enqueued.id)
    assert (row.status, row.lease_token, row.done) == ("running", heir.token, 0)

    async with heir.transaction(finish=True) as tx:
        await leave_mark(tx, 1)
    assert await table.marks() == [1]
    assert (await table.job(enqueued.id)).status == "succeeded"


async def test_a_job_cannot_be_claimed_between_an_effect_and_its_commit(
    database: Database, jobs: JobService, table: Table
) -> None:
    """The lease may expire during the last commit; the row lock protects the job until then."""
    enqueued = await jobs.submit(Mark(1))
    run = JobRun(database, QUICK)
    await run.claim(enqueued.id)
    await table.rows(ARREARS)
    async with database.transaction() as tx:
        assert await JobRepository(tx).hold(enqueued.id, run.token)
        assert (await jobs.sweep()).requeued == 0
    assert (await jobs.sweep()).requeued == 1


async def test_effects_and_success_are_one_commit(database: Database, jobs: JobService, table: Table) -> None:
    async def torn(job: Job, run: JobRun) -> None:
        async with run.transaction(finish=True) as tx:
            await leave_mark(tx, 1)
            raise UpstreamError("cut")

    enqueued = await jobs.submit(Mark(1))
    await jobs.run(enqueued.id, torn)
    assert await table.marks() == []
    await table.rows(DUE)
    await jobs.run(enqueued.id, marking)
    assert await table.marks() == [1]


async def test_a_failure_after_success_changes_nothing(jobs: JobService, table: Table) -> None:
    async def late(job: Job, run: JobRun) -> None:
        await marking(job, run)
        raise RuntimeError("too late")

    enqueued = await jobs.submit(Mark(1))
    await jobs.run(enqueued.id, late)
    assert (await table.job(enqueued.id)).status == "succeeded"
    assert await table.marks() == [1]


async def test_progress_is_written_about_once_a_second(jobs: JobService, table: Table) -> None:
    seen = []

    async def counting(job: Job, run: JobRun) -> None:
        for done in range(1, 101):
            await run.progress(done, 100)
            if done in (1, 50, 100):
                seen.append((await table.job(run.claimed.id)).done)

    enqueued = await jobs.submit(Mark(1))
    await jobs.run(enqueued.id, counting)
    assert seen == [1, 1, 100]
    row = await table.job(enqueued.id)
    assert (row.done, row.total) == (100, 100)


async def test_the_last_progress_of_a_failed_job_is_in_the_row(jobs: JobService, table: Table) -> None:
    async def failing(job: Job, run: JobRun) -> None:
        for done in range(1, 40):
            await run.progress(done, 100)
        raise Invalid("no further")

    enqueued = await jobs.submit(Mark(1))
    await jobs.run(enqueued.id, failing)
    row = await table.job(enqueued.id)
    assert (row.status, row.error, row.done, row.total) == ("failed", "no further", 39, 100)


async def test_a_cancelled_run_releases_the_job_immediately(
    jobs: JobService, bell: RecordingQueue, table: Table
) -> None:
    async def endless(job: Job, run: JobRun) -> None:
        await asyncio.sleep(3600)

    enqueued = await jobs.submit(Mark(1))
    work = asyncio.create_task(jobs.run(enqueued.id, endless))
    await table.until_status(enqueued.id, "running")
    bell.rung.clear()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    row = await table.job(enqueued.id)
    assert (row.status, row.attempts, row.error) == ("queued", 0, None)
    assert bell.rung == [enqueued.id]
    await jobs.run(enqueued.id, marking)
    assert await table.marks() == [1]


class FailingDatabase(Database):
    """A database that is down for some transactions."""

    absent = 0

    def transaction(self):  # type: ignore[no-untyped-def]
        if self.absent > 0:
            self.absent -= 1
            raise DatabaseUnavailable("gone")
        return super().transaction()


async def test_a_short_outage_of_postgresql_loses_neither_the_claim_nor_the_end(
    database_url: str, bell: RecordingQueue, table: Table
) -> None:
    database = FailingDatabase(Database.connect(database_url).engine)
    jobs = JobService(database, bell, timings=JobTimings(lease=10, heartbeat=2))
    enqueued = await jobs.submit(Mark(1))

    async def outage_at_the_end(job: Job, run: JobRun) -> None:
        database.absent = 1

    database.absent = 1
    await jobs.run(enqueued.id, outage_at_the_end)
    row = await table.job(enqueued.id)
    assert (row.status, row.attempts) == ("succeeded", 1)
    await database.close()


async def test_a_run_that_cannot_renew_its_lease_stops_when_it_runs_out(
    database_url: str, bell: RecordingQueue, table: Table
) -> None:
    database = FailingDatabase(Database.connect(database_url).engine)
    jobs = JobService(database, bell, timings=QUICK)
    enqueued = await jobs.submit(Mark(1))
    stopped = asyncio.Event()

    async def cut_off(job: Job, run: JobRun) -> None:
        database.absent = 10_000
        try:
            await asyncio.sleep(3600)
        finally:
            database.absent = 0
            stopped.set()

    await asyncio.wait_for(jobs.run(enqueued.id, cut_off), QUICK.lease * 4)
    assert stopped.is_set()
    assert (await table.job(enqueued.id)).status == "running", "left to the sweep"
    await database.close()
