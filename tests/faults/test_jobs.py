"""Jobs survive kills, freezes and outages of everything but PostgreSQL's disk."""

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.broker import QUEUES, RUN_JOB, JobSender
from app.config import Settings
from app.scheduler import periodic_jobs
from app.schemas.jobs import ForgetJobs, Job
from app.services.jobs import JobService
from app.utils.db.database import Database
from app.utils.redis.client import connect_redis
from tests.faults.stack import Stack, UnixProxy, running_stack
from tests.fixtures.jobs import Endless, KillingJob, Mark, Table

pytestmark = [pytest.mark.fault, pytest.mark.xdist_group("job faults")]


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    yield from running_stack(tmp_path, database_url)


@pytest.fixture
async def jobs(stack: Stack, database: Database) -> AsyncIterator[JobService]:
    """The job service as the API process uses it."""
    sender = JobSender(stack.redis_url)
    yield JobService(database, sender)
    await sender.close()


async def until_done(table: Table, count: int, *, seconds: float) -> None:
    """Wait until this many test jobs have succeeded; none may fail."""
    async with asyncio.timeout(seconds):
        while True:
            statuses = await table.statuses(Mark.name)
            assert "failed" not in statuses, statuses
            if statuses.get("succeeded", 0) >= count:
                return
            await asyncio.sleep(0.1)


async def submit_all(database: Database, jobs: JobService, batch: list[Job]) -> None:
    async with database.transaction() as tx:
        await jobs.enqueue_many(tx, batch)


async def test_five_hundred_jobs_survive_kills_of_workers_scheduler_and_valkey(
    stack: Stack, database: Database, jobs: JobService, table: Table
) -> None:
    count = 500
    workers, scheduler = [stack.worker(), stack.worker()], stack.scheduler()
    await submit_all(database, jobs, [Mark(number, seconds=0.15) for number in range(count)])
    for blow in range(6):
        await until_done(table, (blow + 1) * count // 8, seconds=60)
        victim = blow % 2
        workers[victim].kill()
        workers[victim] = stack.worker()
        if blow in (1, 4):
            stack.kill_valkey()
            await asyncio.sleep(0.5)
            stack.start_valkey()
        if blow == 3:
            scheduler.kill()
            scheduler = stack.scheduler()
    statuses = await table.statuses(Mark.name)
    assert statuses.get("succeeded", 0) < count, "the blows came too late to prove anything"

    await until_done(table, count, seconds=120)
    assert await table.marks() == list(range(count)), "each job has one effect"
    assert (await table.rows("select max(attempts) as n from jobs"))[0].n > 1, "no blow hit a running job"
    assert all(worker.alive for worker in workers)


async def test_a_job_whose_worker_dies_in_an_otherwise_idle_queue_is_done_by_another(
    stack: Stack, jobs: JobService, table: Table
) -> None:
    first = stack.worker()
    job = await jobs.submit(Mark(1, seconds=1.0))
    await table.until_status(job.id, "running")
    first.kill()
    stack.worker()
    stack.scheduler()
    await table.until_status(job.id, "succeeded")
    assert await table.marks() == [1]
    assert (await table.job(job.id)).attempts == 2


async def test_a_frozen_worker_that_wakes_up_can_not_finish_its_job(
    stack: Stack, jobs: JobService, table: Table
) -> None:
    zombie = stack.worker()
    job = await jobs.submit(Mark(1, seconds=1.0))
    await table.until_status(job.id, "running")
    zombie.freeze()
    stack.worker()
    stack.scheduler()
    await table.until_status(job.id, "succeeded")
    ended = await table.job(job.id)
    assert ended.attempts > 1
    zombie.thaw()
    await zombie.until_logged("job.lease_lost")
    assert await table.marks() == [1]
    row = await table.job(job.id)
    assert (row.status, row.attempts, row.finished_at) == ("succeeded", ended.attempts, ended.finished_at)


async def test_a_job_that_kills_its_worker_fails_after_five_attempts_and_spares_the_others(
    stack: Stack, database: Database, jobs: JobService, table: Table
) -> None:
    stack.scheduler()
    worker = stack.worker()
    poison = await jobs.submit(KillingJob(1))
    deaths = 0
    others = 0
    async with asyncio.timeout(150):
        while (await table.job(poison.id)).status != "failed":
            if not worker.alive:
                deaths += 1
                worker = stack.worker()
                await submit_all(database, jobs, [Mark(deaths * 10 + more) for more in range(3)])
                others += 3
            await asyncio.sleep(0.05)
            # The delay of retries is not tested here.
            await table.rows("update jobs set lease_until = now() where kind = 'test.deadly'")
    row = await table.job(poison.id)
    assert (deaths, row.attempts) == (5, 5)
    assert "died" in row.error
    async with asyncio.timeout(60):
        while len(await table.marks()) < others:  # noqa: ASYNC110  # it happens in another process
            await asyncio.sleep(0.1)


async def test_a_stopping_worker_releases_its_job_at_once(
    stack: Stack, jobs: JobService, table: Table
) -> None:
    first, quick, slow = stack.worker(), Mark(1, seconds=1.0), Endless(1)
    made = [await jobs.submit(job) for job in (quick, slow)]
    for job in made:
        await table.until_status(job.id, "running")
    first.terminate()
    assert await first.exit_code() == 0
    finished, released = [await table.job(job.id) for job in made]
    assert finished.status == "succeeded", "what is quick was waited for"
    assert (released.status, released.attempts, released.error) == ("queued", 0, None)
    assert first.events()[-1] == "worker.stopped"

    stack.worker()  # without a scheduler: the message must be there already
    await table.until_status(released.id, "running")


async def test_a_worker_outlives_outages_of_redis_in_two_lines_each(
    stack: Stack, jobs: JobService, table: Table
) -> None:
    worker = stack.worker()
    await worker.until_logged("worker.started")
    pid = worker.pid

    stack.kill_valkey()
    await worker.until_logged("outage.started")
    await asyncio.sleep(3)
    stack.start_valkey()
    await worker.until_logged("outage.ended")

    stack.freeze_valkey()
    await worker.until_logged("outage.started", times=2)
    await asyncio.sleep(3)
    stack.thaw_valkey()
    await worker.until_logged("outage.ended", times=2)

    job = await jobs.submit(Mark(1))
    await table.until_status(job.id, "succeeded")
    assert worker.pid == pid
    assert worker.events() == [
        "worker.started", "outage.started", "outage.ended", "outage.started", "outage.ended", "job.succeeded",
    ]  # fmt: skip


async def test_meaningless_messages_are_skipped(stack: Stack, jobs: JobService, table: Table) -> None:
    worker = stack.worker()
    sender = JobSender(stack.redis_url)
    async with connect_redis(stack.redis_url) as redis:
        await redis.lpush(QUEUES["order"], b"", b"\xff\xfe", b"[]", b'{"task_name": "jobs.run"}')
        for name, argument in (("no.such_task", 1), (RUN_JOB, "one"), (RUN_JOB, 2**64), (RUN_JOB, True)):
            message = {"task_id": "x", "task_name": name, "labels": {}, "args": [argument], "kwargs": {}}
            await redis.lpush(QUEUES["order"], json.dumps(message))
    await sender.send(10**9, "order")
    await sender.close()
    job = await jobs.submit(Mark(1))
    await table.until_status(job.id, "succeeded")
    assert worker.alive
    assert not [line for line in worker.lines() if line.get("level") == "error"]


async def test_taskiqs_own_command_line_runs_jobs_too(stack: Stack, jobs: JobService, table: Table) -> None:
    made = await jobs.submit(ForgetJobs())
    worker = stack.start("taskiq", "worker", "--workers", "1", "app.worker:broker")
    await table.until_status(made.id, "succeeded")
    worker.terminate()
    assert await worker.exit_code() == 0


async def test_jobs_queued_while_redis_is_gone_run_when_it_is_back(
    stack: Stack, jobs: JobService, table: Table
) -> None:
    stack.worker()
    stack.scheduler()
    stack.kill_valkey()
    made = [await jobs.submit(Mark(number)) for number in range(20)]
    assert await table.marks() == []
    stack.start_valkey()
    for job in made:
        await table.until_status(job.id, "succeeded")
    assert await table.marks() == list(range(20))


async def test_worker_and_scheduler_outlive_an_absence_of_postgresql(
    stack: Stack, database_url: str, jobs: JobService, table: Table
) -> None:
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        real = database_url.rpartition("host=")[2]
        proxy = UnixProxy(Path(real) / ".s.PGSQL.5432", Path(folder) / ".s.PGSQL.5432")
        await proxy.heal()
        stack.env["DATABASE_URL"] = database_url.replace(real, folder)
        worker, scheduler = stack.worker(), stack.scheduler()
        running = await jobs.submit(Mark(1, seconds=2.0))
        await table.until_status(running.id, "running")
        await proxy.cut()
        queued = await jobs.submit(Mark(2))
        await worker.until_logged("outage.started")
        await scheduler.until_logged("outage.started")
        await proxy.heal()
        for job in (running, queued):
            await table.until_status(job.id, "succeeded")
        await scheduler.until_logged("outage.ended")
        assert await table.marks() == [1, 2]
        assert worker.alive
        for program in (worker, scheduler):
            assert not [line for line in program.lines() if line.get("level") == "error"]
            program.kill()
        await proxy.cut()


async def test_two_schedulers_fire_a_periodic_job_once(
    stack: Stack, settings: Settings, table: Table
) -> None:
    pair = [stack.start("app.scheduler") for _ in range(2)]
    for scheduler in pair:
        await scheduler.until_logged("scheduler.started")
    await asyncio.sleep(5)
    fired = [event for scheduler in pair for event in scheduler.events() if event == "schedule.fired"]
    kinds = [row.kind for row in await table.rows("select kind from jobs order by kind")]
    assert kinds == sorted(periodic.job.name for periodic in periodic_jobs(settings))
    assert len(fired) == len(kinds)
    for scheduler in pair:
        scheduler.terminate()
    assert [await scheduler.exit_code() for scheduler in pair] == [0, 0]


async def idle(stack: Stack, jobs: JobService, table: Table, *, seconds: float) -> None:
    """An idle worker keeps its process, logs nothing, uses no processor time, and still works."""
    worker = stack.start("app.worker")
    await worker.until_logged("worker.started")
    pid, cpu, started = worker.pid, worker.cpu_seconds(), time.monotonic()
    await asyncio.sleep(seconds)
    share = (worker.cpu_seconds() - cpu) / (time.monotonic() - started)
    assert worker.alive
    assert worker.pid == pid
    assert worker.events() == ["worker.started"]
    assert share < 0.02
    job = await jobs.submit(ForgetJobs())
    await table.until_status(job.id, "succeeded")
    worker.terminate()
    assert await worker.exit_code() == 0
    assert worker.events() == ["worker.started", "job.succeeded", "worker.stopped"]


@pytest.mark.xdist_group("idle worker")
async def test_an_idle_worker_stays_up_and_quiet(stack: Stack, jobs: JobService, table: Table) -> None:
    await idle(stack, jobs, table, seconds=20)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_an_idle_worker_stays_up_and_quiet_for_ten_minutes(
    stack: Stack, jobs: JobService, table: Table
) -> None:
    await idle(stack, jobs, table, seconds=600)
