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


async def test_uses_in_advance_are_counted_exactly_in_one_process(redis: Redis, redis_url: str) -> None:
    quota = Quota("ahead", 60, 60, advance=8)
    quotas = Quotas(redis)
    standings = [await quotas.take(quota, "me") for _ in range(20)]
    standings += await asyncio.gather(*(quotas.take(quota, "me") for _ in range(60)))
    standings += [await quotas.take(quota, "me") for _ in range(5)]
    assert sum(standing.allowed for standing in standings) == 60
    assert [standing.remaining for standing in standings[:20]] == list(range(59, 39, -1))
    async with connect_redis(redis_url) as other:
        assert not (await Quotas(other).take(quota, "me")).allowed, "each use was reported"
        assert await other.llen("quota:ahead:me") == 60


async def test_other_processes_soon_see_uses_in_advance(redis: Redis, redis_url: str) -> None:
    quota = Quota("ahead", 60, 60, advance=8)
    quotas = Quotas(redis)
    for _ in range(5):
        await quotas.take(quota, "me")
    async with connect_redis(redis_url) as other:
        async with asyncio.timeout(5):
            while await other.llen("quota:ahead:me") < 5:  # noqa: ASYNC110  # it has no event
                await asyncio.sleep(0.01)
        assert (await Quotas(other).take(quota, "me")).remaining == 54


async def test_takes_of_many_keys_at_once_are_independent(redis: Redis) -> None:
    quotas = Quotas(redis)
    keys = [f"client {number % 150}" for number in range(600)]
    standings = await asyncio.gather(*(quotas.take(THRICE, key) for key in keys))
    assert sum(standing.allowed for standing in standings) == 450
    assert [standing.allowed for standing in standings[450:]] == [False] * 150
