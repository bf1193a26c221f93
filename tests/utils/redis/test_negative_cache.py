"""Absences: shared by processes, kept in memory when Redis is away, forgotten in time."""

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


async def test_one_process_tells_the_others(redis: Redis, redis_url: str) -> None:
    async with connect_redis(redis_url) as other:
        await NegativeCache(redis, "test").note("7", LONG)
        assert await NegativeCache(other, "test").known("7")
        assert not await NegativeCache(other, "test").known("8")
        assert not await NegativeCache(other, "elsewhere").known("7")


async def test_it_is_believed_for_a_while_only(redis: Redis) -> None:
    clock = Clock()
    absences = NegativeCache(redis, "test", clock=clock)
    await absences.note("7", timedelta(milliseconds=50))
    assert await absences.known("7")
    clock.now += 0.05
    await asyncio.sleep(0.1)
    assert not await absences.known("7")


async def test_memory_serves_while_redis_is_away() -> None:
    clock = Clock()
    absences = NegativeCache(connect_redis("redis://127.0.0.1:9/0"), "test", clock=clock)
    await absences.note("7", LONG)
    assert await absences.known("7")
    clock.now += LONG.total_seconds()
    assert not await absences.known("7")


async def test_what_turns_up_after_all_is_forgotten(redis: Redis) -> None:
    absences = NegativeCache(redis, "test")
    await absences.note("7", LONG)
    await absences.forget("7")
    assert not await absences.known("7")
