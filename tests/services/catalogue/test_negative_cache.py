"""The negative cache: shared, kept in memory without Redis, expiring."""

import asyncio
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from app.errors import NotFound
from app.services.catalogue.negative_cache import NegativeCache
from app.utils.redis.client import connect_redis

LONG = timedelta(minutes=10)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def is_known(cache: NegativeCache, mal_id: int) -> bool:
    try:
        await cache.check(mal_id)
    except NotFound:
        return True
    return False


async def test_an_absence_is_shared_by_processes(redis: Redis, redis_url: str) -> None:
    async with connect_redis(redis_url) as other:
        await NegativeCache(redis).note(7)
        with pytest.raises(NotFound, match="MyAnimeList has no anime 7"):
            await NegativeCache(other).check(7)
        await NegativeCache(other).check(8)


async def test_an_absence_expires(redis: Redis) -> None:
    clock = Clock()
    cache = NegativeCache(redis, clock=clock)
    await cache.note(7, timedelta(milliseconds=50))
    assert await is_known(cache, 7)
    clock.now += 0.06
    await asyncio.sleep(0.1)
    assert not await is_known(cache, 7)


async def test_memory_is_used_while_redis_is_down() -> None:
    clock = Clock()
    cache = NegativeCache(connect_redis("redis://127.0.0.1:9/0"), clock=clock)
    await cache.note(7, LONG)
    assert await is_known(cache, 7)
    clock.now += 1.2 * LONG.total_seconds()
    assert not await is_known(cache, 7)


async def test_an_absence_can_be_forgotten(redis: Redis) -> None:
    cache = NegativeCache(redis)
    await cache.note(7)
    await cache.forget(7)
    assert not await is_known(cache, 7)
