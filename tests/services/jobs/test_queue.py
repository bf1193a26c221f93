"""The job queue: enqueueing, listing, recovery of lost jobs."""

import asyncio
from datetime import timedelta

import pytest

from app.errors import Conflict, NotFound
from app.schemas.domain.jobs import Sweep
from app.schemas.jobs import RefreshStale, SendMail, SyncAnime
from app.services.jobs import JobRun, JobService
from app.utils.clock import utc_now
from app.utils.db.database import Database
from tests.fixtures.jobs import QUICK, Mark, RecordingQueue, SleepingJob, Table


class RolledBack(Exception):
    pass


async def enqueue_and_fail(database: Database, jobs: JobService) -> None:
    async with database.transaction() as tx:
        await jobs.enqueue(tx, Mark(1))
        raise RolledBack


async def resend_after(job: object, run: JobRun) -> None:
    """A handler that does nothing."""


async def broken(job: object, run: JobRun) -> None:
    raise RuntimeError("boom")


async def test_workers_are_notified_after_the_commit(
    database: Database, jobs: JobService, bell: RecordingQueue
) -> None:
    async with database.transaction() as tx:
        enqueued = await jobs.enqueue(tx, Mark(1))
        assert bell.rung == []
    assert bell.rung == [enqueued.id]
    assert (enqueued.key, enqueued.status, enqueued.created) == ("test.mark:1", "queued", True)


async def test_a_rollback_discards_the_job(
    database: Database, jobs: JobService, bell: RecordingQueue, table: Table
) -> None:
    with pytest.raises(RolledBack):
        await enqueue_and_fail(database, jobs)
    assert bell.rung == []
    assert await table.statuses() == {}


async def test_a_key_in_use_returns_the_existing_job(jobs: JobService, bell: RecordingQueue) -> None:
    first = await jobs.submit(Mark(1))
    second = await jobs.submit(Mark(1, seconds=5.0))
    assert (second.id, second.created, second.status) == (first.id, False, "queued")
    assert bell.rung == [first.id]

    seen = []

    async def look(job: object, run: JobRun) -> None:
        seen.append(await jobs.submit(Mark(1)))

    await jobs.run(first.id, look)
    assert (seen[0].id, seen[0].created, seen[0].status) == (first.id, False, "running")
    third = await jobs.submit(Mark(1))
    assert third.created
    assert third.id != first.id


async def test_concurrent_requests_for_one_key_make_one_job(jobs: JobService, bell: RecordingQueue) -> None:
    asked = await asyncio.gather(*(jobs.submit(Mark(1)) for _ in range(12)))
    assert len({one.id for one in asked}) == 1
    assert [one.created for one in asked].count(True) == 1
    assert len(bell.rung) == 1


async def test_a_batch_skips_keys_in_use(
    database: Database, jobs: JobService, bell: RecordingQueue, table: Table
) -> None:
    live = await jobs.submit(Mark(7))
    async with database.transaction() as tx:
        assert await jobs.enqueue_many(tx, [Mark(number) for number in range(1200)]) == 1199
    assert await table.statuses() == {"queued": 1200}
    assert len(bell.rung) == len(set(bell.rung)) == 1200
    assert live.id in bell.rung
    async with database.transaction() as tx:
        assert await jobs.enqueue_many(tx, []) == 0


async def test_a_failed_notification_is_repeated_by_the_sweep(jobs: JobService, bell: RecordingQueue) -> None:
    bell.down = True
    enqueued = await jobs.submit(Mark(1))
    assert await jobs.sweep() == Sweep()
    bell.down = False
    assert await jobs.sweep() == Sweep(sent=1)
    assert bell.rung == [enqueued.id]


async def test_the_sweep_repeats_lost_notifications_only(
    jobs: JobService, bell: RecordingQueue, table: Table
) -> None:
    enqueued = await jobs.submit(Mark(1))
    assert await jobs.sweep() == Sweep()
    await table.rows("update jobs set sent_at = now() - interval '11 seconds'")
    assert await jobs.sweep() == Sweep(sent=1)
    assert await jobs.sweep() == Sweep()
    assert bell.rung == [enqueued.id, enqueued.id]


async def test_the_sweep_does_not_repeat_waiting_notifications(
    jobs: JobService, bell: RecordingQueue, table: Table
) -> None:
    for number in range(5):
        await jobs.submit(Mark(number))
    await table.rows("update jobs set sent_at = now() - interval '1 minute'")
    bell.waiting = {"order": 5}
    assert await jobs.sweep() == Sweep()
    bell.waiting = {"order": 3}
    assert (await jobs.sweep()).sent == 2


async def test_concurrent_sweeps_notify_once(jobs: JobService, bell: RecordingQueue, table: Table) -> None:
    await asyncio.gather(*(jobs.submit(Mark(number)) for number in range(10)))
    await table.rows("update jobs set sent_at = null")
    bell.rung.clear()
    await asyncio.gather(*(jobs.sweep() for _ in range(4)))
    assert sorted(bell.rung) == sorted(set(bell.rung))
    assert len(bell.rung) == 10


async def test_a_scheduled_job_is_not_run_early(jobs: JobService, bell: RecordingQueue, table: Table) -> None:
    enqueued = await jobs.submit(Mark(1), run_after=utc_now() + timedelta(hours=1))
    await jobs.sweep()
    assert bell.rung == []
    await jobs.run(enqueued.id, resend_after)
    assert (await table.job(enqueued.id)).status == "queued"
    await table.rows("update jobs set run_after = now()")
    await jobs.sweep()
    assert bell.rung == [enqueued.id]


async def test_an_expired_lease_requeues_and_counts_as_an_attempt(
    jobs: JobService, bell: RecordingQueue, table: Table
) -> None:
    enqueued = await jobs.submit(Mark(1))
    run = JobRun(jobs._db, QUICK)
    await run.claim(enqueued.id)
    assert (await jobs.sweep()).requeued == 0
    await table.rows("update jobs set lease_until = now() - interval '1 second'")
    assert (await jobs.sweep()).requeued == 1
    row = await table.job(enqueued.id)
    assert (row.status, row.attempts, row.lease_token) == ("queued", 1, None)
    assert "died" in row.error


async def test_a_job_that_kills_its_workers_fails_after_its_last_attempt(
    jobs: JobService, table: Table
) -> None:
    enqueued = await jobs.submit(Mark(1))
    for attempt in range(1, 6):
        await table.rows("update jobs set run_after = now()")
        assert await JobRun(jobs._db, QUICK).claim(enqueued.id) is not None
        await table.rows("update jobs set lease_until = now() - interval '1 second'")
        swept = await jobs.sweep()
        assert (swept.requeued, swept.failed) == ((1, 0) if attempt < 5 else (0, 1))
    row = await table.job(enqueued.id)
    assert (row.status, row.attempts) == ("failed", 5)
    assert row.finished_at is not None


async def test_lists_are_newest_first_filtered_and_counted(jobs: JobService, table: Table) -> None:
    accounts = "insert into users (username, password_hash) values ('ada', 'x') returning id"
    owner = (await table.rows(accounts))[0].id
    mine = [await jobs.submit(Mark(number), owner_id=owner) for number in range(3)]
    await jobs.submit(RefreshStale())
    await jobs.run(mine[0].id, resend_after)

    everything = await jobs.list()
    assert everything.total == 4
    assert [job.id for job in everything.jobs] == sorted((job.id for job in everything.jobs), reverse=True)
    own = await jobs.list(owner_id=owner, limit=2)
    assert ([job.id for job in own.jobs], own.total) == ([mine[2].id, mine[1].id], 3)
    assert (await jobs.list(status="succeeded")).jobs[0].id == mine[0].id
    assert (await jobs.list(kind="anime.refresh_stale")).total == 1
    assert (await jobs.list(offset=50)).jobs == []


async def test_a_job_of_another_user_is_not_found(jobs: JobService) -> None:
    enqueued = await jobs.submit(Mark(1))
    assert (await jobs.get(enqueued.id)).key == "test.mark:1"
    with pytest.raises(NotFound):
        await jobs.get(enqueued.id, owner_id=12345)
    with pytest.raises(NotFound):
        await jobs.retry(enqueued.id, owner_id=12345)
    with pytest.raises(NotFound):
        await jobs.get(2**62)


async def test_a_failed_job_can_be_retried_with_all_attempts(
    jobs: JobService, bell: RecordingQueue, table: Table
) -> None:
    enqueued = await jobs.submit(SleepingJob())
    for _ in range(2):
        await table.rows("update jobs set run_after = now()")
        await jobs.run(enqueued.id, broken)
    assert (await jobs.get(enqueued.id)).status == "failed"
    bell.rung.clear()
    revived = await jobs.retry(enqueued.id)
    assert (revived.status, revived.attempts, revived.error) == ("queued", 0, None)
    assert (revived.started_at, revived.finished_at) == (None, None)
    assert bell.rung == [enqueued.id]
    await jobs.run(enqueued.id, resend_after)
    assert (await jobs.get(enqueued.id)).status == "succeeded"


async def test_only_a_failed_job_with_a_free_key_can_be_retried(jobs: JobService, table: Table) -> None:
    first = await jobs.submit(Mark(1))
    with pytest.raises(Conflict, match="queued"):
        await jobs.retry(first.id)
    await table.rows("update jobs set status = 'failed', finished_at = now()")
    await jobs.submit(Mark(1))
    with pytest.raises(Conflict) as conflict:
        await jobs.retry(first.id)
    assert conflict.value.details == {"key": "test.mark:1"}
    assert (await jobs.get(first.id)).status == "failed"


async def test_concurrent_requests_fire_a_periodic_job_once(jobs: JobService, table: Table) -> None:
    asked = await asyncio.gather(*(jobs.fire("refresh", RefreshStale(), every=60) for _ in range(8)))
    assert asked.count(True) == 1
    assert await table.statuses() == {"queued": 1}
    await table.rows("update schedules set fired_at = now() - interval '61 seconds'")
    assert await jobs.fire("refresh", RefreshStale(), every=60)
    assert await table.statuses() == {"queued": 1}, "the earlier one is still live"


async def test_only_old_finished_jobs_are_deleted(jobs: JobService, table: Table) -> None:
    await table.rows(
        "insert into jobs (key, kind, status, finished_at, created_at) values "
        "('ancient', 'x', 'failed', now() - interval '31 days', now() - interval '31 days'),"
        "('failed', 'x', 'failed', now() - interval '29 days', now() - interval '29 days'),"
        "('without_user', 'x', 'succeeded', now() - interval '4 days', now() - interval '4 days'),"
        "('recent', 'x', 'succeeded', now() - interval '2 days', now() - interval '2 days'),"
        "('waiting', 'x', 'queued', null, now() - interval '90 days')"
    )
    assert await jobs.forget_old() == 2
    left = {row.key for row in await table.rows("select key from jobs")}
    assert left == {"failed", "recent", "waiting"}


async def test_notifications_carry_the_class_of_the_job(
    database: Database, jobs: JobService, bell: RecordingQueue, table: Table
) -> None:
    single = (await jobs.submit(SyncAnime(1))).id
    await jobs.submit(RefreshStale())
    async with database.transaction() as tx:
        await jobs.enqueue_many(tx, [SyncAnime(2), SyncAnime(3)], job_class="upkeep")
    rows = await table.rows("select id, key from jobs")
    classes = {row.id: "order" if row.id == single else "upkeep" for row in rows}
    assert bell.classes == classes
    bell.classes.clear()
    await table.rows("update jobs set sent_at = null")
    await jobs.sweep()
    assert bell.classes == classes


async def test_messages_of_one_class_do_not_hide_a_lost_one_of_another(
    jobs: JobService, bell: RecordingQueue, table: Table
) -> None:
    for number in range(5):
        await jobs.submit(Mark(number))
    lost = await jobs.submit(SendMail(1, "reset", "a"))
    await table.rows("update jobs set sent_at = now() - interval '1 minute'")
    bell.waiting = {"order": 5}
    bell.rung.clear()
    await jobs.sweep()
    assert bell.rung == [lost.id]
