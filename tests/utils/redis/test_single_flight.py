"""Single flight: one run for all callers of all processes, also when leaders die."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from app.utils.redis.client import connect_redis
from app.utils.redis.single_flight import SingleFlight


class Counted:
    """Work that counts its runs and takes some time."""

    def __init__(self, seconds: float = 0.05) -> None:
        self.runs = 0
        self.ended = asyncio.Event()
        self._seconds = seconds

    async def __call__(self) -> bytes:
        self.runs += 1
        await asyncio.sleep(self._seconds)
        self.ended.set()
        return f"run {self.runs}".encode()


async def failing() -> bytes:
    await asyncio.sleep(0.02)
    raise OSError("the work itself failed")


@pytest.fixture
async def pair(redis: Redis, redis_url: str) -> AsyncIterator[tuple[SingleFlight, SingleFlight]]:
    """Two processes from Redis's point of view."""
    async with connect_redis(redis_url) as other:
        flights = SingleFlight(redis, lease=0.3), SingleFlight(other, lease=0.3)
        yield flights
        for flight in flights:
            await flight.close()


Pair = tuple[SingleFlight, SingleFlight]


async def test_callers_of_both_processes_share_one_run(pair: Pair) -> None:
    work = Counted()
    answers = await asyncio.gather(*(pair[turn % 2].join("k", work, seconds=5) for turn in range(50)))
    assert (work.runs, set(answers)) == (1, {b"run 1"})


async def test_work_longer_than_the_lease_is_not_taken_over(pair: Pair) -> None:
    work = Counted(seconds=1)
    answers = await asyncio.gather(*(flight.join("k", work, seconds=5) for flight in pair))
    assert (work.runs, set(answers)) == (1, {b"run 1"})


async def test_keys_do_not_block_each_other(pair: Pair) -> None:
    slow, quick = Counted(seconds=1), Counted(seconds=0)
    waiting = asyncio.create_task(pair[0].join("slow", slow, seconds=5))
    await pair[0].join("quick", quick, seconds=0.5)
    assert not waiting.done()
    await waiting


async def test_a_call_after_a_finished_run_starts_another(pair: Pair) -> None:
    work = Counted(seconds=0)
    assert [await flight.join("k", work, seconds=5) for flight in pair] == [b"run 1", b"run 2"]


async def test_a_dead_leader_is_replaced(pair: Pair, redis: Redis) -> None:
    await redis.set("flight:k", "the token of a dead process", px=300)
    work = Counted()
    started = time.monotonic()
    assert await pair[0].join("k", work, seconds=5) == b"run 1"
    assert time.monotonic() - started < 3


async def test_a_failure_reaches_local_callers_and_other_processes_retry(pair: Pair) -> None:
    work = Counted()
    first = asyncio.create_task(pair[0].join("k", failing, seconds=5))
    second = asyncio.create_task(pair[0].join("k", failing, seconds=5))
    await asyncio.sleep(0.01)
    assert await pair[1].join("k", work, seconds=5) == b"run 1"
    for waiting in (first, second):
        with pytest.raises(OSError, match="the work itself failed"):
            await waiting


async def test_a_timeout_does_not_stop_the_work(pair: Pair) -> None:
    work = Counted(seconds=0.3)
    with pytest.raises(TimeoutError):
        await pair[0].join("k", work, seconds=0.05)
    assert pair[0].is_running("k")
    assert await pair[0].join("k", work, seconds=5) == b"run 1"
    assert not pair[0].is_running("k")


async def test_a_cancelled_caller_does_not_stop_the_work(pair: Pair) -> None:
    work = Counted(seconds=0.2)
    leaving = asyncio.create_task(pair[0].join("k", work, seconds=5))
    staying = asyncio.create_task(pair[0].join("k", work, seconds=5))
    await asyncio.sleep(0.05)
    leaving.cancel()
    assert await staying == b"run 1"


async def test_a_closing_process_releases_its_keys(pair: Pair) -> None:
    first, second = Counted(seconds=5), Counted(seconds=0)
    leading = asyncio.create_task(pair[0].join("k", first, seconds=5))
    await asyncio.sleep(0.05)
    following = asyncio.create_task(pair[1].join("k", second, seconds=5))
    await asyncio.sleep(0.05)
    await pair[0].close()
    assert await following == b"run 1"
    with pytest.raises(asyncio.CancelledError):
        await leading


async def test_without_redis_there_is_one_run_per_process() -> None:
    flights = [SingleFlight(connect_redis("redis://127.0.0.1:9/0")) for _ in range(2)]
    work = Counted()
    await asyncio.gather(*(flights[turn % 2].join("k", work, seconds=5) for turn in range(50)))
    assert work.runs == 2


async def test_only_the_short_lived_result_stays_in_redis(pair: Pair, redis: Redis) -> None:
    await pair[0].join("k", Counted(), seconds=5)
    (outcome,) = await redis.keys()
    assert 0 < await redis.pttl(outcome) <= 10_000
