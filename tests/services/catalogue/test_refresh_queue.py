"""Refreshes: offered without delay, queued once, and never more than the upstream's budget bears."""

from collections.abc import AsyncIterator

import pytest

from app.schemas.jobs import JobClass, SyncAnime
from app.services.catalogue.refresh_queue import MOST_QUEUED, Refreshes
from app.services.jobs import JobService
from app.utils.db.database import Database


class Silent:
    """A queue that carries nothing."""

    async def send(self, job_id: int, job_class: JobClass) -> None:
        return None

    async def depths(self) -> dict[JobClass, int]:
        return {}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def jobs(database: Database) -> JobService:
    return JobService(database, Silent())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def refreshes(database: Database, jobs: JobService, clock: Clock) -> AsyncIterator[Refreshes]:
    refreshes = Refreshes(database, jobs, clock=clock)
    yield refreshes
    await refreshes.close()


async def queued(jobs: JobService) -> list[str]:
    return [job.key for job in (await jobs.list(limit=100)).jobs]


async def test_an_offer_becomes_a_job_and_a_second_one_does_not(
    refreshes: Refreshes, jobs: JobService
) -> None:
    for mal_id in (21, 5114, 21):
        refreshes.offer(mal_id)
    await refreshes.settle()
    refreshes.offer(21)
    await refreshes.settle()
    assert sorted(await queued(jobs)) == ["anime.sync:21", "anime.sync:5114"]


async def test_a_live_job_with_the_key_is_enough(
    refreshes: Refreshes, jobs: JobService, clock: Clock
) -> None:
    await jobs.submit(SyncAnime(21), owner_id=None)
    refreshes.offer(21)
    await refreshes.settle()
    clock.now += 3600
    refreshes.offer(21)
    await refreshes.settle()
    assert await queued(jobs) == ["anime.sync:21"]


async def test_no_more_wait_than_the_budget_bears(refreshes: Refreshes, jobs: JobService) -> None:
    for mal_id in range(1, 181):
        refreshes.offer(mal_id)
    await refreshes.settle()
    assert (await jobs.list()).total == MOST_QUEUED
    assert await refreshes.room("order") == 0
    assert await refreshes.queue([9999], "order") == 0
    assert await refreshes.queue(range(10_001, 10_181)) == MOST_QUEUED, "upkeep has a room of its own"
    assert await refreshes.room("upkeep") == 0


async def test_a_crowd_of_offers_is_cut(refreshes: Refreshes, jobs: JobService) -> None:
    for mal_id in range(1, 5001):
        refreshes.offer(mal_id)
    assert len(refreshes._pending) == 200
    await refreshes.settle()


async def test_a_lost_database_costs_the_reader_nothing(
    database: Database, jobs: JobService, clock: Clock
) -> None:
    nowhere = Database.connect("postgresql+asyncpg://nobody@127.0.0.1:9/nothing")
    refreshes = Refreshes(nowhere, JobService(nowhere, Silent()), clock=clock)
    refreshes.offer(21)
    await refreshes.settle()
    clock.now += 60
    healed = Refreshes(database, jobs, clock=clock)
    healed.offer(21)
    await healed.settle()
    assert await queued(jobs) == ["anime.sync:21"]
    await nowhere.close()
