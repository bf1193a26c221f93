"""Quotas: exact windows, shared across processes, local without Redis."""

import asyncio

import pytest
from redis.asyncio import Redis

from app.utils.redis.client import connect_redis
from app.utils.redis.quotas import Quota, Quotas

THRICE = Quota("test", 3, 60)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def nowhere() -> Redis:
    return connect_redis("redis://127.0.0.1:9/0")


async def test_an_exhausted_quota_reports_when_it_resets(redis: Redis) -> None:
    quotas = Quotas(redis)
    remaining = [(await quotas.take(THRICE, "me")).remaining for _ in range(3)]
    refused = await quotas.take(THRICE, "me")
    assert (remaining, refused.allowed, refused.remaining) == ([2, 1, 0], False, 0)
    assert 0 < refused.reset_after <= 60
    assert (await quotas.take(THRICE, "somebody else")).allowed


async def test_concurrent_processes_share_one_exact_count(redis: Redis, redis_url: str) -> None:
    async with connect_redis(redis_url) as other:
        both = [Quotas(redis), Quotas(other)]
        takes = [both[turn % 2].take(THRICE, "me") for turn in range(20)]
        assert sum(standing.allowed for standing in await asyncio.gather(*takes)) == 3


async def test_peeking_does_not_use_the_quota(redis: Redis) -> None:
    quotas = Quotas(redis)
    for _ in range(5):
        assert (await quotas.peek(THRICE, "me")).remaining == 3


async def test_a_use_of_a_quota_can_be_refunded(redis: Redis) -> None:
    quotas = Quotas(redis)
    for _ in range(3):
        await quotas.take(THRICE, "me")
    await quotas.give_back(THRICE, "me")
    assert [(await quotas.take(THRICE, "me")).allowed for _ in range(2)] == [True, False]


async def test_the_window_slides(redis: Redis) -> None:
    quotas = Quotas(redis)
    short = Quota("short", 2, 0.4)
    await quotas.take(short, "me")
    await asyncio.sleep(0.25)
    await quotas.take(short, "me")
    await asyncio.sleep(0.25)
    # the first use has expired, the second has not
    assert [(await quotas.take(short, "me")).allowed for _ in range(2)] == [True, False]


async def test_keys_expire_in_redis_after_the_period(redis: Redis) -> None:
    await Quotas(redis).take(Quota("short", 2, 0.05), "me")
    await asyncio.sleep(0.1)
    assert await redis.keys() == []


async def test_without_redis_the_process_counts_on_its_own(nowhere: Redis) -> None:
    clock = Clock()
    quotas = Quotas(nowhere, clock=clock)
    assert [(await quotas.take(THRICE, "me")).allowed for _ in range(4)] == [True, True, True, False]
    await quotas.give_back(THRICE, "me")
    assert (await quotas.take(THRICE, "me")).allowed
    clock.now += 60
    assert (await quotas.peek(THRICE, "me")).remaining == 3
    for _ in range(3):
        await quotas.take(THRICE, "me")
    await quotas.clear(THRICE, "me")
    assert (await quotas.take(THRICE, "me")).remaining == 2
