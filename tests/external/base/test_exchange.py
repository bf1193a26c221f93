"""HTTP over real sockets against a misbehaving upstream."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.errors import AppError, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.external.base.client import USER, Breaker, Policy, UpstreamClient
from app.external.base.policy import Deadline
from app.external.jikan.client import JIKAN, JikanClient
from tests.external.doubles import OpenLimiter
from tests.standin import JikanStandin

HASTY = Deadline("hasty", budget=0.6, queue_timeout=0.6, attempt=0.6, attempts=1, pause=0.1, traffic="reader")


@pytest.fixture
async def client(jikan_standin: JikanStandin) -> AsyncIterator[UpstreamClient]:
    client = make(jikan_standin)
    yield client
    await client.close()


def make(standin: JikanStandin, policy: Policy = JIKAN) -> UpstreamClient:
    breaker = Breaker("test", min_calls=10**6)
    return UpstreamClient(standin.base_url, policy, limiter=OpenLimiter(), breaker=lambda: breaker)


async def test_connections_are_kept_also_after_errors(
    client: UpstreamClient, jikan_standin: JikanStandin
) -> None:
    await client.get("anime", 5, deadline=USER)
    for mal_id in (99_999_999, 88_888_888):
        with pytest.raises(AppError):
            await client.get("anime", mal_id, deadline=USER)
    await client.get("anime", 6, deadline=USER)
    assert (jikan_standin.stats().total, jikan_standin.stats().connections) == (4, 1)


@pytest.mark.parametrize(
    ("mode", "error", "calls"),
    [
        ("html", UpstreamError, 1),
        ("garbage", UpstreamError, 1),
        ("nan", UpstreamError, 1),
        ("deep", UpstreamError, 1),
        ("false_gzip", UpstreamError, 1),
        ("truncated", UpstreamError, 3),
        ("short_chunk", UpstreamError, 3),
        ("close", UpstreamError, 3),
        ("reset", UpstreamError, 3),
        ("status", UpstreamError, 3),
    ],
)
async def test_faults_are_translated_once(
    client: UpstreamClient, jikan_standin: JikanStandin, mode: str, error: type[AppError], calls: int
) -> None:
    jikan_standin.behave(mode)
    with pytest.raises(AppError) as failure:
        await client.get("anime", 5, deadline=USER)
    assert type(failure.value) is error
    assert jikan_standin.stats().total == calls
    jikan_standin.clear()
    assert (await client.get("anime", 5, deadline=USER))["data"]["mal_id"] == 5


async def test_a_refused_connection_is_unavailable(
    client: UpstreamClient, jikan_standin: JikanStandin
) -> None:
    jikan_standin.refuse()
    with pytest.raises(UpstreamUnavailable) as failure:
        await client.get("anime", 5, deadline=USER)
    assert failure.value.retry_after
    jikan_standin.accept()
    assert await client.get("anime", 5, deadline=USER)


@pytest.mark.parametrize(
    ("mode", "options"), [("hang", {}), ("drip", {"interval": 0.05}), ("slow", {"seconds": 5})]
)
async def test_deadlines_hold_for_slow_responses(
    client: UpstreamClient, jikan_standin: JikanStandin, mode: str, options: dict[str, Any]
) -> None:
    jikan_standin.behave(mode, **options)
    begun = time.monotonic()
    with pytest.raises(UpstreamTimeout):
        await client.get("anime", 5, deadline=HASTY)
    assert HASTY.budget <= time.monotonic() - begun < HASTY.budget * 2
    await drained(jikan_standin)


@pytest.mark.parametrize(("mode", "announce"), [("huge", False), ("huge", True), ("bomb", False)])
async def test_no_more_is_read_than_the_limit(jikan_standin: JikanStandin, mode: str, announce: bool) -> None:
    client = make(jikan_standin, Policy("test", "Testdom", size_limit=100_000))
    jikan_standin.behave(mode, size=20_000_000, announce=announce)
    with pytest.raises(UpstreamError, match="a body that is too large"):
        await client.get("anime", 5, deadline=USER)
    await drained(jikan_standin)
    jikan_standin.clear()
    assert await client.get("anime", 5, deadline=USER)
    await client.close()


async def test_the_pool_survives_two_thousand_abandoned_calls(
    jikan_standin: JikanStandin,
) -> None:
    """Deadlines and cancelled callers, on a pool of ten that is always contended."""
    client = make(jikan_standin, Policy("test", "Testdom", connections=10))
    jikan_standin.behave("slow", seconds=0.05)
    chance = random.Random(1)

    async def one(gate: asyncio.Semaphore) -> str:
        async with gate:
            budget = chance.uniform(0.001, 0.06)
            deadline = Deadline("x", budget, budget, budget, 1, 0.1, traffic="reader")
            call = asyncio.create_task(client.get("anime", 5, deadline=deadline))
            if chance.random() < 0.5:
                await asyncio.sleep(chance.uniform(0, 0.05))
                call.cancel()
            return type((await asyncio.gather(call, return_exceptions=True))[0]).__name__

    gate = asyncio.Semaphore(40)
    ends = await asyncio.gather(*(one(gate) for _ in range(2000)))
    assert {"CancelledError", "UpstreamTimeout"} <= set(ends) <= {"CancelledError", "UpstreamTimeout", "dict"}
    await drained(jikan_standin)
    jikan_standin.clear()
    begun = time.monotonic()
    fresh = await asyncio.gather(*(client.get("anime", 5, deadline=USER) for _ in range(50)))
    assert len(fresh) == 50
    assert time.monotonic() - begun < USER.budget
    assert jikan_standin.stats().in_flight == 0
    await client.close()


async def test_closing_cancels_abandoned_calls(jikan_standin: JikanStandin) -> None:
    client = JikanClient(jikan_standin.base_url, limiter=OpenLimiter())
    jikan_standin.behave("hang")
    with pytest.raises(UpstreamTimeout):
        await client.get_anime(5, deadline=HASTY)
    await client.close()
    await drained(jikan_standin)


async def drained(standin: JikanStandin, seconds: float = 5.0) -> None:
    """Wait until the server has no open responses."""
    end = time.monotonic() + seconds
    while standin.stats().in_flight:
        assert time.monotonic() < end, "calls are still open at the upstream"
        await asyncio.sleep(0.02)
