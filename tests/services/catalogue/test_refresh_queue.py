"""The refresh queue: no delay, deduplication, bounded size."""

from collections.abc import AsyncIterator

import pytest

from app.schemas.jobs import JobClass, SyncAnime
from app.services.catalogue.refresh_queue import MOST_QUEUED, RefreshQueue
from app.services.jobs import JobService
from app.utils.db.database import Database


class Silent:
    """A queue that delivers nothing."""

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
async def refresh_queue(database: Database, jobs: JobService, clock: Clock) -> AsyncIterator[RefreshQueue]:
    refresh_queue = RefreshQueue(database, jobs, clock=clock)
    yield refresh_queue
    await refresh_queue.close()


async def queued(jobs: JobService) -> list[str]:
    return [job.key for job in (await jobs.list(limit=100)).jobs]


async def test_repeated_requests_create_one_job(refresh_queue: RefreshQueue, jobs: JobService) -> None:
    for mal_id in (21, 5114, 21):
        refresh_queue.request(mal_id)
    await refresh_queue.settle()
    refresh_queue.request(21)
    await refresh_queue.settle()
    assert sorted(await queued(jobs)) == ["anime.sync:21", "anime.sync:5114"]


async def test_a_live_job_with_the_key_is_enough(
    refresh_queue: RefreshQueue, jobs: JobService, clock: Clock
) -> None:
    await jobs.submit(SyncAnime(21), owner_id=None)
    refresh_queue.request(21)
    await refresh_queue.settle()
    clock.now += 3600
    refresh_queue.request(21)
    await refresh_queue.settle()
    assert await queued(jobs) == ["anime.sync:21"]


async def test_the_number_of_queued_refreshes_is_bounded(
    refresh_queue: RefreshQueue, jobs: JobService
) -> None:
    for mal_id in range(1, 181):
        refresh_queue.request(mal_id)
    await refresh_queue.settle()
    assert (await jobs.list()).total == MOST_QUEUED
    assert await refresh_queue.room("order") == 0
    assert await refresh_queue.queue([9999], "order") == 0
    assert await refresh_queue.queue(range(10_001, 10_181)) == MOST_QUEUED, "upkeep has a room of its own"
    assert await refresh_queue.room("upkeep") == 0


async def test_too_many_requests_are_dropped(refresh_queue: RefreshQueue, jobs: JobService) -> None:
    for mal_id in range(1, 5001):
        refresh_queue.request(mal_id)
    assert len(refresh_queue._pending) == 200
    await refresh_queue.settle()


async def test_readers_do_not_notice_a_database_outage(
    database: Database, jobs: JobService, clock: Clock
) -> None:
    nowhere = Database.connect("postgresql+asyncpg://nobody@127.0.0.1:9/nothing")
    refresh_queue = RefreshQueue(nowhere, JobService(nowhere, Silent()), clock=clock)
    refresh_queue.request(21)
    await refresh_queue.settle()
    clock.now += 60
    healed = RefreshQueue(database, jobs, clock=clock)
    healed.request(21)
    await healed.settle()
    assert await queued(jobs) == ["anime.sync:21"]
    await nowhere.close()
