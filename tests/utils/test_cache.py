"""The cache: levels, ages, stale values, negative entries, coalescing, invalidation across processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from app.utils.cache import Cache, CacheEntry, Level, MemoryLevel, RedisLevel
from app.utils.redis.bus import Bus
from app.utils.redis.client import connect_redis
from app.utils.redis.single_flight import SingleFlight

KEY = "things:thing:7"


@dataclass
class Source:
    """Counts its calls; ``error`` makes it fail."""

    answer: bytes | None = b"one"
    error: Exception | None = None
    seconds: float = 0.0
    asked: int = 0

    async def __call__(self) -> bytes | None:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return self.answer


class Rows:
    """A last level that keeps everything."""

    name = "l3"
    ttl = 86_400.0

    def __init__(self) -> None:
        self.entries: dict[str, CacheEntry] = {}

    async def find(self, key: str) -> CacheEntry | None:
        return self.entries.get(key)

    async def store(self, key: str, entry: CacheEntry) -> None:
        if entry.body is not None:
            self.entries[key] = entry

    async def drop(self, pattern: str) -> None:
        self.entries.pop(pattern, None)


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """Two processes over one Redis and one table, with a clock set by the test."""

    here: Cache
    there: Cache
    redis: Redis
    rows: Rows = field(default_factory=Rows)
    source: Source = field(default_factory=Source)
    clock: Clock = field(default_factory=Clock)

    async def get(self, cache: Cache | None = None) -> tuple[bytes | None, str | None, bool]:
        found = await (cache or self.here).get_or_fetch(KEY, self.source, row=self.rows)
        return found.entry.body, found.level, found.stale


@asynccontextmanager
async def _process(redis: Redis, clock: Clock) -> AsyncIterator[Cache]:
    bus, flights = Bus(redis), SingleFlight(redis)
    levels: list[Level] = [MemoryLevel("l1", ttl=300), RedisLevel("l2", redis, ttl=1800, retention=86_400)]
    cache = Cache("things", levels, flights, bus, now=clock)
    joined = asyncio.Event()
    async with bus.subscribe(cache.topic, on_message=cache.on_message, on_gap=joined.set):
        await joined.wait()
        yield cache
    await cache.close()
    await flights.close()


@pytest.fixture
async def world(redis: Redis, redis_url: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        clock = Clock()
        far = await stack.enter_async_context(connect_redis(redis_url))
        here = await stack.enter_async_context(_process(redis, clock))
        there = await stack.enter_async_context(_process(far, clock))
        yield World(here, there, redis, clock=clock)


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # what it waits for has no event
            await asyncio.sleep(0.01)


async def test_a_hit_refills_the_levels_above_and_ages_count_from_the_fetch(world: World) -> None:
    assert await world.get() == (b"one", None, False)
    assert await world.get() == (b"one", "l1", False)
    assert await world.get(world.there) == (b"one", "l2", False)
    assert await world.get(world.there) == (b"one", "l1", False)
    world.clock.now += 301
    assert await world.get() == (b"one", "l2", False)
    assert await world.get() == (b"one", "l2", False), "it is too old for the memory, whoever read it when"
    world.clock.now += 1800
    assert await world.get() == (b"one", "l3", False)
    assert world.source.asked == 1
    assert world.here.hit_rates == {"l1": 1 / 5, "l2": 2 / 4, "l3": 1 / 2}


async def test_a_stale_copy_is_served_during_a_refresh(world: World) -> None:
    await world.get()
    world.clock.now += 86_401
    world.source.answer, world.source.seconds = b"two", 0.1
    assert await asyncio.gather(*(world.get() for _ in range(50))) == [(b"one", "l1", True)] * 50
    await until(lambda: world.rows.entries[KEY].body == b"two")
    assert await world.get() == (b"two", "l1", False)
    assert world.source.asked == 2


async def test_a_source_that_fails_leaves_the_stale_copy(world: World) -> None:
    await world.get()
    await world.redis.flushall()
    world.clock.now += 90_000
    world.source.error = RuntimeError("down")
    assert await world.get() == (b"one", "l1", True)
    await until(lambda: world.source.asked == 2)
    assert await world.get(world.there) == (b"one", "l3", True), "the row outlives every other level"
    with pytest.raises(RuntimeError):
        await world.here.get_or_fetch("things:thing:8", world.source, row=world.rows)


async def test_absences_are_cached_for_a_while(world: World) -> None:
    world.source.answer = None
    for cache in (world.here, world.here, world.there):
        assert (await world.get(cache))[0] is None
    assert world.source.asked == 1
    world.clock.now += 601
    world.source.answer = b"there now"
    assert await world.get() == (b"there now", None, False)


async def test_concurrent_misses_of_two_processes_make_one_call(world: World) -> None:
    world.source.seconds = 0.3
    caches = [world.here, world.there] * 100
    found = await asyncio.gather(*(world.get(cache) for cache in caches))
    assert {body for body, _, _ in found} == {b"one"}
    assert world.source.asked == 1


async def test_a_drop_reaches_every_level_of_every_process(world: World) -> None:
    await world.get()
    await world.get(world.there)
    await world.redis.set("cache:other:thing", b"kept")
    world.source.answer = b"two"
    world.rows.entries.clear()
    await world.here.drop("things:thing:*")
    assert await world.get() == (b"two", None, False)
    async with asyncio.timeout(5):
        while (await world.get(world.there))[0] != b"two":  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0.01)
    for pattern in ("*", "other:*", "thing", "thingsx:*"):
        with pytest.raises(ValueError, match="not inside"):
            await world.here.drop(pattern)
    assert await world.redis.get("cache:other:thing") == b"kept"


async def test_a_fetch_that_started_before_a_drop_is_not_cached(world: World) -> None:
    world.source.seconds = 0.2
    getting = asyncio.create_task(world.get())
    await until(lambda: world.source.asked == 1)
    world.source.answer = b"old"
    await world.here.drop(KEY)
    assert (await getting)[0] == b"old"
    world.source.answer = b"new"
    assert await world.get() == (b"new", None, False)


async def test_without_redis_memory_and_rows_serve() -> None:
    async with connect_redis("unix:///nowhere/valkey.sock") as redis:
        levels: list[Level] = [
            MemoryLevel("l1", ttl=300),
            RedisLevel("l2", redis, ttl=1800, retention=86_400),
        ]
        flights = SingleFlight(redis)
        cache, source = Cache("things", levels, flights, Bus(redis)), Source()
        for level in (None, "l1"):
            assert (await cache.get_or_fetch(KEY, source)).level == level
        await cache.drop(KEY)
        await cache.close()
        assert (await cache.get_or_fetch(KEY, source)).level is None
        await flights.close()
    assert source.asked == 2
