"""Following a job: run here, followed elsewhere, recovered, released."""

import asyncio

import pytest

from app.errors import NotFound
from app.schemas.jobs import Job
from app.services.jobs import JobRun, JobService
from app.services.jobs.follow import follow
from tests.fixtures.jobs import Mark, Table, leave_mark

Steps = list[tuple[int, int | None]]


async def marking(job: Job, run: JobRun) -> None:
    await run.progress(2, 2)
    async with run.transaction(finish=True) as tx:
        await leave_mark(tx, 1)


async def never(job: Job, run: JobRun) -> None:
    raise AssertionError("somebody else has this job")


async def endless(job: Job, run: JobRun) -> None:
    await asyncio.sleep(3600)


async def test_a_queued_job_runs_in_this_process(jobs: JobService, table: Table) -> None:
    enqueued = await jobs.submit(Mark(1))
    steps: Steps = []
    state = await follow(jobs, enqueued.id, marking, lambda *step: steps.append(step))
    assert (state.status, state.done, state.total) == ("succeeded", 2, 2)
    assert steps[-1] == (2, 2)
    assert await table.marks() == [1]


async def test_a_job_running_elsewhere_is_followed(jobs: JobService, table: Table) -> None:
    async def slowly(job: Job, run: JobRun) -> None:
        await asyncio.sleep(0.7)
        await marking(job, run)

    enqueued = await jobs.submit(Mark(1))
    elsewhere = asyncio.create_task(jobs.run(enqueued.id, slowly))
    await table.until_status(enqueued.id, "running")
    state = await follow(jobs, enqueued.id, never, lambda *_: None)
    assert state.status == "succeeded"
    await elsewhere
    assert await table.marks() == [1]


async def test_a_failure_is_reported(jobs: JobService, table: Table) -> None:
    async def missing(job: Job, run: JobRun) -> None:
        raise NotFound("MyAnimeList has no title 7.")

    enqueued = await jobs.submit(Mark(1))
    state = await follow(jobs, enqueued.id, missing, lambda *_: None)
    assert (state.status, state.error) == ("failed", "MyAnimeList has no title 7.")


async def test_a_temporary_failure_is_retried(jobs: JobService, table: Table) -> None:
    attempts = iter([ConnectionError("gone"), None])

    async def twice(job: Job, run: JobRun) -> None:
        if error := next(attempts):
            raise error
        await marking(job, run)

    enqueued = await jobs.submit(Mark(1))
    waits: list[str] = []
    state = await follow(jobs, enqueued.id, twice, lambda *_: None, on_wait=waits.append)
    assert (state.status, state.attempts) == ("succeeded", 2)
    assert waits == ["Internal error."], "told once, however long it waits"


async def test_the_job_of_a_dead_worker_is_taken_over(jobs: JobService, table: Table) -> None:
    enqueued = await jobs.submit(Mark(1))
    dead = asyncio.create_task(jobs.run(enqueued.id, endless))
    await table.until_status(enqueued.id, "running")
    await table.rows(
        "update jobs set lease_until = now() - interval '1 second', lease_token = gen_random_uuid()"
    )
    state = await follow(jobs, enqueued.id, marking, lambda *_: None)
    assert state.status == "succeeded"
    dead.cancel()
    await asyncio.wait([dead])
    assert await table.marks() == [1]


async def test_a_cancelled_follower_releases_the_job(jobs: JobService, table: Table) -> None:
    enqueued = await jobs.submit(Mark(1))
    following = asyncio.create_task(follow(jobs, enqueued.id, endless, lambda *_: None))
    await table.until_status(enqueued.id, "running")
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert (await table.job(enqueued.id)).status == "queued"
