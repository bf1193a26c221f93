"""The Jikan proxy: unchanged values, a short cache, coalesced calls."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from app.errors import NotFound, RateLimited, UpstreamError
from app.services.catalogue.coalescing import MISSES
from app.utils.db.database import Database
from app.utils.redis.client import connect_redis
from tests.services.catalogue_parts import Parts, parts_on
from tests.standin import JikanStandin

ODD = (
    '{"data":[{"mal_id":1,"n":123456789012345678901234567890,"f":8.50,'
    '"t":"\\u304b\\/\\u00e9","z":null,"x":{}}]}'
)


@pytest.fixture
async def parts(jikan_standin: JikanStandin, database: Database, redis: Redis) -> AsyncIterator[Parts]:
    async with parts_on(jikan_standin, database, redis) as parts:
        yield parts


async def test_values_are_unchanged(parts: Parts, jikan_standin: JikanStandin) -> None:
    jikan_standin.behave("body", body=ODD)
    for _ in range(2):
        answer = await parts.raw.top(page=1, limit=25, client="me")
        assert json.loads(answer.body) == json.loads(ODD)["data"]
        assert "か/é".encode() in answer.body


async def test_responses_are_cached_and_age(parts: Parts, redis: Redis) -> None:
    first = await parts.raw.search("steins", client="me")
    parts.told.now += timedelta(seconds=42)
    second = await parts.raw.search("steins", client="you")
    assert (first.state, first.age, second.state, second.age) == ("miss", 0, "hit", 42)
    assert second.body == first.body
    assert 0 < await redis.ttl("cache:jikan:search:steins") <= 330


async def test_cache_keys_distinguish_pages_limits_and_words(
    parts: Parts, jikan_standin: JikanStandin
) -> None:
    for page, limit in ((1, 25), (2, 25), (1, 5)):
        answer = await parts.raw.top(page=page, limit=limit, client="me")
        assert (answer.state, len(json.loads(answer.body))) == ("miss", limit)
    await parts.raw.search("a", client="me")
    await parts.raw.search("b", client="me")
    assert jikan_standin.stats().total == 5


async def test_concurrent_clients_cause_one_call(parts: Parts, jikan_standin: JikanStandin) -> None:
    jikan_standin.behave("slow", seconds=0.2)
    answers = await asyncio.gather(*(parts.raw.anime(5, client="me") for _ in range(30)))
    assert len({answer.body for answer in answers}) == 1
    assert jikan_standin.stats().total == 1


async def test_a_title_that_mal_lacks_is_requested_once(parts: Parts, jikan_standin: JikanStandin) -> None:
    for turn in range(20):
        with pytest.raises(NotFound, match="no anime 99999999"):
            await parts.raw.anime(99_999_999, client=f"client {turn}")
    assert jikan_standin.stats().total == 1


async def test_failures_are_reported_and_not_cached(parts: Parts, jikan_standin: JikanStandin) -> None:
    jikan_standin.behave("html", times=1)
    with pytest.raises(UpstreamError) as failed:
        await parts.raw.anime(5, client="me")
    assert "Retry-After" in failed.value.headers
    assert json.loads((await parts.raw.anime(5, client="me")).body)["mal_id"] == 5


async def test_a_client_walking_the_ids_does_not_starve_others(
    parts: Parts, jikan_standin: JikanStandin
) -> None:
    refused = 0
    for mal_id in range(1, MISSES.limit + 11):
        try:
            await parts.raw.anime(mal_id, client="walker")
        except RateLimited:
            refused += 1
    assert refused == 10
    assert jikan_standin.stats().total == MISSES.limit
    assert (await parts.raw.anime(1, client="walker")).state == "hit"
    assert (await parts.raw.anime(5000, client="somebody else")).state == "miss"


async def test_without_redis_every_answer_is_fetched(jikan_standin: JikanStandin, database: Database) -> None:
    async with (
        connect_redis("redis://127.0.0.1:9/0") as nowhere,
        parts_on(jikan_standin, database, nowhere) as parts,
    ):
        for _ in range(2):
            assert (await parts.raw.anime(5, client="me")).state == "miss"
        answers = await asyncio.gather(*(parts.raw.anime(6, client="me") for _ in range(10)))
        assert len({answer.body for answer in answers}) == 1
    assert jikan_standin.stats().total == 3
