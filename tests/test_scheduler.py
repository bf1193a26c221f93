"""Periodic jobs fire once, and the scheduler survives failures."""

import asyncio

from app.scheduler import PERIODIC, tick, tick_until
from app.schemas.domain.jobs import Sweep
from app.services.jobs import JobService
from app.utils.db.database import DatabaseUnavailable
from tests.fixtures.jobs import RecordingQueue, Table


async def test_concurrent_schedulers_fire_each_job_once(
    jobs: JobService, bell: RecordingQueue, table: Table
) -> None:
    for _ in range(3):
        await asyncio.gather(*(tick(jobs) for _ in range(4)))
    assert await table.statuses() == {"queued": len(PERIODIC)}
    assert len(set(bell.rung)) == len(PERIODIC)  # a slow sweep may send a waiting one again


async def test_a_periodic_job_is_fired_again_when_due(
    jobs: JobService, bell: RecordingQueue, table: Table
) -> None:
    await tick(jobs)
    await table.rows("update jobs set status = 'succeeded', finished_at = now()")
    await table.rows(
        "update schedules set fired_at = now() - interval '601 seconds' where name like 'anime.%'"
    )
    await tick(jobs)
    again = await table.rows("select kind from jobs where status = 'queued'")
    assert [row.kind for row in again] == ["anime.refresh_stale"]


def test_periodic_jobs_have_unique_names() -> None:
    assert len({periodic.job.name for periodic in PERIODIC}) == len(PERIODIC)


class Failing(JobService):
    """Its sweeps fail in two ways, then succeed."""

    def __init__(self, jobs: JobService, stop: asyncio.Event) -> None:
        super().__init__(jobs._db, jobs._queue)
        self.sweeps = 0
        self._stop = stop

    async def sweep(self) -> Sweep:
        self.sweeps += 1
        if self.sweeps < 4:
            raise DatabaseUnavailable("gone")
        self._stop.set()
        raise RuntimeError("a bug")


async def test_the_scheduler_survives_outages_and_bugs(jobs: JobService, table: Table) -> None:
    stop = asyncio.Event()
    failing = Failing(jobs, stop)
    async with asyncio.timeout(10):
        await tick_until(stop, failing, every=0.05)
    assert failing.sweeps == 4
