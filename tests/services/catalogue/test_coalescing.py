"""Coalesced upstream calls: shared results and failures, quotas per client."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from app.errors import (
    AppError,
    NotFound,
    RateLimited,
    UpstreamError,
    UpstreamFailure,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.services.catalogue.coalescing import RequestCoalescer
from app.utils.redis.client import connect_redis
from app.utils.redis.quotas import Quota, Quotas
from app.utils.redis.single_flight import SingleFlight

TWO = Quota("test", 2, 60)


class Upstream:
    """Counts calls; ``failure`` is raised instead of returning."""

    def __init__(self) -> None:
        self.calls = 0
        self.failure: AppError | None = None

    async def __call__(self) -> bytes:
        self.calls += 1
        await asyncio.sleep(0.05)
        if self.failure is not None:
            raise self.failure
        return b"answer %d" % self.calls


async def nothing() -> None:
    return None


Make = Callable[[str, str], Awaitable[bytes]]


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def both(redis: Redis, redis_url: str, upstream: Upstream) -> AsyncIterator[list[Make]]:
    """``make(key, client)`` in two processes, from Redis's point of view."""
    async with connect_redis(redis_url) as other:
        flights = [SingleFlight(redis), SingleFlight(other)]
        calls = [
            RequestCoalescer(flight, Quotas(link), quota=TWO)
            for flight, link in zip(flights, (redis, other), strict=True)
        ]

        def making(one: RequestCoalescer) -> Make:
            return lambda key, client: one.make(key, look=nothing, call=upstream, client=client)

        yield [making(one) for one in calls]
        for flight in flights:
            await flight.close()


async def test_concurrent_clients_are_charged_for_one_call(both: list[Make], upstream: Upstream) -> None:
    answers = await asyncio.gather(*(both[turn % 2]("k", "me") for turn in range(50)))
    assert (set(answers), upstream.calls) == ({b"answer 1"}, 1)
    assert await both[0]("other", "me") == b"answer 2"
    with pytest.raises(RateLimited):
        await both[1]("third", "me")


async def test_an_exhausted_quota_is_reported_with_retry_after(both: list[Make], upstream: Upstream) -> None:
    await both[0]("a", "me")
    await both[1]("b", "me")
    with pytest.raises(RateLimited) as refused:
        await both[0]("c", "me")
    assert 0 < (refused.value.retry_after or 0) <= 60
    assert upstream.calls == 2
    assert await both[0]("c", "somebody else") == b"answer 3"


async def test_an_exhausted_client_does_not_block_others(both: list[Make], upstream: Upstream) -> None:
    await both[0]("a", "me")
    await both[0]("b", "me")
    mine = [both[turn % 2]("c", "me") for turn in range(4)]
    others = [both[turn % 2]("c", f"client {turn}") for turn in range(4)]
    ends = await asyncio.gather(*mine, *others, return_exceptions=True)
    assert set(ends[4:]) == {b"answer 3"}
    # one of mine may have joined another client's call
    assert all(isinstance(end, RateLimited) or end == b"answer 3" for end in ends[:4])


@pytest.mark.parametrize(
    "failure",
    [
        UpstreamError("It answered 500.", retry_after=7),
        UpstreamUnavailable("Nobody there.", retry_after=7),
        UpstreamTimeout("Too slow.", retry_after=7),
        UpstreamFailure("Something else.", retry_after=7),
        NotFound("No such title."),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_failure_is_shared_by_all_waiting_requests(
    both: list[Make], upstream: Upstream, failure: AppError
) -> None:
    upstream.failure = failure
    ends = await asyncio.gather(
        *(both[turn % 2]("k", f"client {turn}") for turn in range(20)), return_exceptions=True
    )
    assert upstream.calls == 1
    for end in ends:
        assert isinstance(end, AppError)
        assert (end.status, end.code, end.message) == (failure.status, failure.code, failure.message)
        assert end.headers == failure.headers


async def test_failed_calls_cost_nothing_and_are_not_remembered(both: list[Make], upstream: Upstream) -> None:
    upstream.failure = UpstreamError("It answered 500.")
    for attempt in range(1, 6):
        with pytest.raises(UpstreamError) as failed:
            await both[attempt % 2]("k", "me")
        assert upstream.calls == attempt
        assert "Retry-After" in failed.value.headers
    upstream.failure = None
    assert await both[0]("k", "me") == b"answer 6"


async def test_results_that_appear_meanwhile_need_no_call(redis: Redis, upstream: Upstream) -> None:
    async def found() -> bytes:
        return b"from the catalogue"

    calls = RequestCoalescer(SingleFlight(redis), Quotas(redis), quota=TWO)
    for _ in range(5):
        assert await calls.make("k", look=found, call=upstream, client="me") == b"from the catalogue"
    assert upstream.calls == 0


async def test_bugs_are_not_shared(redis: Redis) -> None:
    async def broken() -> bytes:
        raise KeyError("a bug")

    calls = RequestCoalescer(SingleFlight(redis), Quotas(redis), quota=TWO)
    with pytest.raises(KeyError):
        await calls.make("k", look=nothing, call=broken, client="me")


async def test_waiting_is_bounded(redis: Redis) -> None:
    async def endless() -> bytes:
        await asyncio.sleep(60)
        return b""

    flights = SingleFlight(redis)
    calls = RequestCoalescer(flights, Quotas(redis), quota=TWO, patience=0.2)
    with pytest.raises(UpstreamTimeout) as late:
        await calls.make("k", look=nothing, call=endless, client="me")
    assert "Retry-After" in late.value.headers
    await flights.close()
