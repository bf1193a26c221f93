"""The shared rate limiter: slots across limiters, bans, and behaviour without Redis."""

import asyncio
import time
from itertools import pairwise
from statistics import median

import pytest
from redis.asyncio import Redis

from app.utils.redis.client import connect_redis
from app.utils.redis.rate_limit import LimitReached, Rate, SharedLimiter, Traffic
from tests.standin.journal import most_in

QUICK = Rate(spacing=0.05, count=10, window=1.0, reserve=2, alone=0.2)


async def leave(
    limiter: SharedLimiter, log: list[float], *, traffic: Traffic = "reader", max_wait: float = 5
) -> None:
    await limiter.acquire(traffic=traffic, max_wait=max_wait)
    log.append(time.monotonic())


async def test_slots_are_spaced_and_counted_over_all_limiters(redis: Redis, redis_url: str) -> None:
    rate = Rate(spacing=0.2, count=5, window=3.0, reserve=1, alone=2)
    log: list[float] = []
    async with connect_redis(redis_url) as other:
        limiters = [SharedLimiter("t", rate, redis), SharedLimiter("t", rate, other)]
        await asyncio.gather(*(leave(limiters[turn % 2], log, max_wait=20) for turn in range(11)))
    log.sort()
    assert median(after - before for before, after in pairwise(log)) > rate.spacing * 0.7
    assert most_in(log, rate.window * 0.8) <= rate.count
    assert log[-1] - log[0] < rate.window * 3


async def test_upstreams_do_not_share_slots(redis: Redis) -> None:
    one, other = (
        SharedLimiter("one", Rate.of(per_second=1, per_minute=1), redis),
        SharedLimiter("other", QUICK, redis),
    )
    await one.acquire(traffic="reader", max_wait=0)
    assert await other.acquire(traffic="reader", max_wait=2) < 1


async def test_a_call_that_cannot_get_a_slot_in_time_fails_immediately(redis: Redis) -> None:
    limiter = SharedLimiter("t", Rate.of(per_second=10, per_minute=2), redis)
    begun = time.monotonic()
    for _ in range(2):
        await limiter.acquire(traffic="reader", max_wait=1)
    with pytest.raises(LimitReached) as refusal:
        await limiter.acquire(traffic="reader", max_wait=2)
    assert 55 < refusal.value.retry_after <= 60.5
    assert not refusal.value.banned
    with pytest.raises(LimitReached):
        await limiter.acquire(traffic="upkeep", max_wait=30)
    assert time.monotonic() - begun < 2


async def test_upkeep_is_evenly_spaced_and_leaves_the_reserve(redis: Redis) -> None:
    limiter = SharedLimiter("t", QUICK, redis)
    jobs: list[float] = []
    work = [asyncio.create_task(leave(limiter, jobs, traffic="upkeep")) for _ in range(20)]
    waits = []
    for _ in range(4):
        await asyncio.sleep(0.3)
        waits.append(await limiter.acquire(traffic="reader", max_wait=1))
    await asyncio.gather(*work)
    assert max(waits) < QUICK.step * 3
    assert most_in(jobs, QUICK.window * 0.85) <= QUICK.count - QUICK.reserve


async def test_a_ban_applies_to_all_callers_and_is_never_shortened(redis: Redis, redis_url: str) -> None:
    async with connect_redis(redis_url) as elsewhere:
        one, other = SharedLimiter("t", QUICK, redis), SharedLimiter("t", QUICK, elsewhere)
        await one.ban(0.6)
        await one.ban(0.1)
        for limiter in (one, other):
            with pytest.raises(LimitReached) as refusal:
                await limiter.acquire(traffic="reader", max_wait=0.2)
            assert refusal.value.banned
            assert 0.2 < refusal.value.retry_after <= 0.6
        begun = time.monotonic()
        await other.acquire(traffic="upkeep", max_wait=2)
        assert 0.3 < time.monotonic() - begun < 1.2


async def test_a_ban_applies_to_callers_that_already_have_a_slot(redis: Redis, redis_url: str) -> None:
    slow = Rate(spacing=0.3, count=100, window=60, reserve=10, alone=1)
    async with connect_redis(redis_url) as elsewhere:
        one, other = SharedLimiter("t", slow, redis), SharedLimiter("t", slow, elsewhere)
        await one.acquire(traffic="reader", max_wait=1)
        log: list[float] = []
        waiting = asyncio.create_task(leave(other, log))
        await asyncio.sleep(0.1)
        ban = time.monotonic()
        await one.ban(1.0)
        await waiting
        assert log[0] - ban > 0.95


async def test_a_cancellation_that_redis_py_swallows_takes_effect() -> None:
    class Swallowing:
        def register_script(self, _: str) -> object:
            return self._run

        async def _run(self, **_: object) -> list[int]:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                return [1, 0, 0]
            raise AssertionError("nobody cancelled")

    limiter = SharedLimiter("t", QUICK, Swallowing())  # type: ignore[arg-type]
    caller = asyncio.create_task(limiter.acquire(traffic="upkeep", max_wait=30))
    await asyncio.sleep(0.05)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_a_cancelled_caller_does_not_block_others(redis: Redis) -> None:
    limiter = SharedLimiter("t", QUICK, redis)
    log: list[float] = []
    callers = [asyncio.create_task(leave(limiter, log, traffic="upkeep", max_wait=30)) for _ in range(8)]
    await asyncio.sleep(0.05)
    for caller in callers[1:7]:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    assert len(log) == 2


async def test_a_clock_that_is_set_back_does_not_block_callers(redis: Redis) -> None:
    limiter = SharedLimiter("t", QUICK, redis)
    await limiter.acquire(traffic="upkeep", max_wait=1)
    await redis.rpush("limit:{t}:slots", str(int((time.time() + 86_400) * 1_000_000)))
    assert await limiter.acquire(traffic="reader", max_wait=1) < 0.5


async def test_without_redis_a_process_uses_its_own_slow_pace() -> None:
    limiter = SharedLimiter("t", QUICK, connect_redis("redis://127.0.0.1:9/0"))
    log: list[float] = []
    await asyncio.gather(
        *(leave(limiter, log, traffic="upkeep" if turn % 2 == 0 else "reader") for turn in range(6))
    )
    log.sort()
    assert min(after - before for before, after in pairwise(log)) > QUICK.alone * 0.9
    with pytest.raises(LimitReached):
        await limiter.acquire(traffic="reader", max_wait=0.05)
    await limiter.ban(0.5)
    with pytest.raises(LimitReached) as refusal:
        await limiter.acquire(traffic="reader", max_wait=0.3)
    assert refusal.value.banned


class Flaky:
    """A Redis that can be made unavailable, in front of the real one."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.away = False

    def register_script(self, text: str) -> object:
        script = self._redis.register_script(text)

        async def run(**options: object) -> object:
            if self.away:
                raise ConnectionError("away")
            return await script(**options)  # type: ignore[arg-type]

        return run

    async def pttl(self, key: str) -> int:
        return int(await self._redis.pttl(key))


async def test_it_recovers_when_redis_returns_and_passes_its_ban_on(redis: Redis) -> None:
    flaky = Flaky(redis)
    limiter = SharedLimiter("t", QUICK, flaky)  # type: ignore[arg-type]
    flaky.away = True
    await limiter.ban(0.6)
    with pytest.raises(LimitReached):
        await limiter.acquire(traffic="reader", max_wait=0.1)
    assert await redis.exists("limit:{t}:ban") == 0
    flaky.away = False
    other = SharedLimiter("t", QUICK, redis)
    with pytest.raises(LimitReached):
        await limiter.acquire(traffic="reader", max_wait=0.05)
    with pytest.raises(LimitReached) as refusal:
        await other.acquire(traffic="reader", max_wait=0.05)
    assert refusal.value.banned
    assert await limiter.acquire(traffic="reader", max_wait=3) < 2


def test_a_rate_leaves_room_for_jitter_and_for_users() -> None:
    rate = Rate.of(per_second=3, per_minute=60)
    assert (rate.spacing, rate.count, rate.window) == (0.5, 60, 60.5)
    assert (rate.kept_free("reader"), rate.kept_free("order"), rate.kept_free("upkeep")) == (0, 3, 6)
    assert rate.half == 30
    assert rate.alone == 3
    assert rate.step * 54 == pytest.approx(60.5)
