"""Cached absences: shared, kept in memory without Redis, expiring."""

import asyncio
from datetime import timedelta

from redis.asyncio import Redis

from app.utils.redis.client import connect_redis
from app.utils.redis.negative_cache import NegativeCache

LONG = timedelta(minutes=10)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_an_absence_is_shared_by_processes(redis: Redis, redis_url: str) -> None:
    async with connect_redis(redis_url) as other:
        await NegativeCache(redis, "test").note("7", LONG)
        assert await NegativeCache(other, "test").known("7")
        assert not await NegativeCache(other, "test").known("8")
        assert not await NegativeCache(other, "elsewhere").known("7")


async def test_an_absence_expires(redis: Redis) -> None:
    clock = Clock()
    absences = NegativeCache(redis, "test", clock=clock)
    await absences.note("7", timedelta(milliseconds=50))
    assert await absences.known("7")
    clock.now += 0.05
    await asyncio.sleep(0.1)
    assert not await absences.known("7")


async def test_memory_is_used_while_redis_is_down() -> None:
    clock = Clock()
    absences = NegativeCache(connect_redis("redis://127.0.0.1:9/0"), "test", clock=clock)
    await absences.note("7", LONG)
    assert await absences.known("7")
    clock.now += LONG.total_seconds()
    assert not await absences.known("7")


async def test_an_absence_can_be_forgotten(redis: Redis) -> None:
    absences = NegativeCache(redis, "test")
    await absences.note("7", LONG)
    await absences.forget("7")
    assert not await absences.known("7")
