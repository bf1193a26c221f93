"""Priorities of the rate limiter across processes, without starvation."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from app.external.base.client import USER
from app.utils.redis.client import connect_redis
from app.utils.redis.rate_limit import Rate, SharedLimiter, Traffic
from tests.standin.journal import most_in
from tests.utils.redis.limiter_simulation import Caller, Simulation

JIKAN = Rate.of(per_second=3, per_minute=60)
_FASTER = 4  # all times of Jikan's rate divided by this
RATE = Rate(spacing=0.5 / _FASTER, count=60, window=60.5 / _FASTER, reserve=6, alone=3 / _FASTER)


@dataclass
class RequestCoalescer:
    """Calls through the limiters of several processes, by class."""

    limiters: list[SharedLimiter]
    at: dict[Traffic, list[float]] = field(default_factory=lambda: {"reader": [], "order": [], "upkeep": []})

    async def call(self, traffic: Traffic, *, process: int = 0, max_wait: float = 30) -> float:
        waited = await self.limiters[process].acquire(traffic=traffic, max_wait=max_wait)
        self.at[traffic].append(time.monotonic())
        return waited

    async def keep_calling(self, traffic: Traffic, *, process: int) -> None:
        while True:
            await self.call(traffic, process=process)


@pytest.fixture
async def calls(redis: Redis, redis_url: str) -> AsyncIterator[RequestCoalescer]:
    async with connect_redis(redis_url) as other:
        yield RequestCoalescer([SharedLimiter("t", RATE, one) for one in (redis, other)])


async def upkeep_was_at_full(redis: Redis) -> None:
    """As if upkeep had used its full share in the previous window."""
    seconds, micros = await redis.time()
    now = seconds * 1_000_000 + micros
    step = round(RATE.step * 1_000_000)
    slots = [str(now - step * ago) for ago in range(RATE.count - RATE.reserve - 1, -1, -1)]
    await redis.rpush("limit:{t}:slots", *slots)
    await redis.rpush("limit:{t}:upkeep", *slots[-RATE.half :])
    await redis.set("limit:{t}:stepped", slots[-1])


@asynccontextmanager
async def running(*work: asyncio.Task[None]) -> AsyncIterator[None]:
    yield
    for task in work:
        task.cancel()
    for result in await asyncio.gather(*work, return_exceptions=True):
        assert isinstance(result, asyncio.CancelledError), result


def upkeep_at_full(calls: RequestCoalescer) -> list[asyncio.Task[None]]:
    """Two processes, three jobs each."""
    return [asyncio.create_task(calls.keep_calling("upkeep", process=n % 2)) for n in range(6)]


def upkeep() -> list[Caller]:
    """In each of two processes, one caller requests continuously."""
    return [Caller("upkeep", 1_000_000) for _ in range(2)]


def assert_limits_kept(simulation: Simulation) -> None:
    calls = simulation.times("reader", "order", "upkeep")
    assert most_in(calls, 0.99) <= 3
    assert most_in(calls, JIKAN.window - 0.01) <= JIKAN.count


async def test_readers_get_slots_after_upkeep_at_full_rate(redis: Redis) -> None:
    simulation = Simulation(redis, JIKAN)
    simulation.add(*upkeep())
    await simulation.run(90)
    assert most_in(simulation.times("upkeep"), 60) >= 52, "it runs at full"
    readers = Caller("reader", 25, begins=0.3, queue_timeout=USER.queue_timeout)
    simulation.add(readers)
    await simulation.run(60)
    assert readers.refused == 0
    assert len(readers.waits) == 25
    assert_limits_kept(simulation)


async def test_a_sync_and_a_top_100_finish_in_time_beside_25_readers(redis: Redis) -> None:
    simulation = Simulation(redis, JIKAN)
    simulation.add(*upkeep())
    await simulation.run(90)
    began = simulation.now
    readers = Caller("reader", 25, begins=0.3, queue_timeout=USER.queue_timeout)
    sync = Caller("order", 1, begins=0.2)
    top = Caller("order", 4, begins=0.2)
    simulation.add(readers, sync, top)
    await simulation.run(60)
    assert readers.refused == 0
    assert sync.ended_at is not None
    assert top.ended_at is not None
    assert sync.ended_at - began < 8
    assert top.ended_at - began < 18
    gave_way = [at for at in simulation.times("upkeep") if began + 1 < at < began + 20]
    assert gave_way == []
    assert_limits_kept(simulation)


async def test_readers_get_slots_during_a_long_order(redis: Redis) -> None:
    simulation = Simulation(redis, JIKAN)
    simulation.add(Caller("order", 1_000_000), *upkeep())
    await simulation.run(90)
    readers = Caller("reader", 25, begins=0.3, queue_timeout=USER.queue_timeout)
    simulation.add(readers)
    await simulation.run(60)
    assert readers.refused == 0
    assert_limits_kept(simulation)


@pytest.mark.parametrize("other", ["reader", "order"])
async def test_upkeep_alone_uses_all_but_the_reserve_and_half_while_others_ask(
    redis: Redis, other: Traffic
) -> None:
    simulation = Simulation(redis, JIKAN)
    simulation.add(*upkeep())
    await simulation.run(90)
    assert most_in(simulation.times("upkeep"), JIKAN.window) <= JIKAN.count - JIKAN.reserve + 1
    asked = simulation.now
    simulation.add(*(Caller(other, 1, begins=20.0 * n) for n in range(7)))
    await simulation.run(140)
    times = simulation.times("upkeep")
    for at in [at for at in times if at > asked + 1]:
        assert len([one for one in times if at - JIKAN.window + 0.01 < one <= at]) <= JIKAN.half
    assert len([at for at in times if at > asked + JIKAN.window]) > 30, "half of each window is used"
    await simulation.run(JIKAN.window * 2)
    later = [at for at in simulation.times("upkeep") if at > simulation.now - JIKAN.window]
    assert len(later) > JIKAN.half, "alone again, it uses more"


async def test_no_class_starves_under_constant_reader_load(redis: Redis) -> None:
    simulation = Simulation(redis, JIKAN)
    flood = [Caller("reader", 1_000_000, queue_timeout=USER.queue_timeout) for _ in range(8)]
    simulation.add(*flood, Caller("order", 1_000_000), *upkeep())
    await simulation.run(240)
    readers, orders, rest = (len(simulation.times(which)) for which in ("reader", "order", "upkeep"))
    assert readers > orders > rest
    assert orders > 30
    assert rest > 4
    assert_limits_kept(simulation)


async def test_an_order_does_not_wait_for_upkeep_of_another_process(
    calls: RequestCoalescer, redis: Redis
) -> None:
    await upkeep_was_at_full(redis)
    async with running(*upkeep_at_full(calls)):
        await asyncio.sleep(RATE.step)
        waits = [await calls.call("order", process=n % 2) for n in range(6)]
    assert max(waits) < RATE.step * 3


async def test_promoted_upkeep_waits_as_an_order(calls: RequestCoalescer, redis: Redis) -> None:
    await upkeep_was_at_full(redis)
    promoted = asyncio.Event()
    limiter = calls.limiters[0]
    async with running(*upkeep_at_full(calls)):
        await calls.call("reader")  # from here on, upkeep has used up its half
        upkeep = asyncio.create_task(limiter.acquire(traffic="upkeep", max_wait=30, promoted=promoted))
        await asyncio.sleep(RATE.step * 3)
        assert not upkeep.done()
        promoted.set()
        begun = time.monotonic()
        await upkeep
    assert time.monotonic() - begun < RATE.step * 3
    assert await limiter.acquire(traffic="upkeep", max_wait=30, promoted=promoted) < RATE.step * 4


async def test_without_redis_urgent_calls_still_go_first() -> None:
    limiter = SharedLimiter("t", RATE, connect_redis("redis://127.0.0.1:9/0"))
    left: list[Traffic] = []

    async def call(traffic: Traffic) -> None:
        await limiter.acquire(traffic=traffic, max_wait=30)
        left.append(traffic)

    wanted: list[Traffic] = ["upkeep", "order", "reader"]
    await asyncio.gather(*(call(traffic) for traffic in wanted))
    assert left == ["reader", "order", "upkeep"]
