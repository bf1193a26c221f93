"""Cache-aside lookup: fresh, stale and absent titles, and background refreshes."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from app.errors import NotFound, UpstreamError
from app.schemas.domain.anime import Status
from app.services.catalogue.staleness import FRESH_FOR
from app.utils.db.database import Database
from tests.services.catalogue_parts import Parts, parts_on
from tests.standin import JikanStandin

SECOND = timedelta(seconds=1)


@pytest.fixture
async def parts(jikan_standin: JikanStandin, database: Database, redis: Redis) -> AsyncIterator[Parts]:
    async with parts_on(jikan_standin, database, redis) as parts:
        yield parts


async def store(parts: Parts, mal_id: int, status: Status | None, ago: timedelta | None) -> None:
    async with parts.db.transaction() as tx:
        await tx.session.execute(
            text(
                "with a as (insert into anime (mal_id, title, status)"
                "           values (:mal_id, 'Stored', :status) returning id)"
                " insert into anime_syncs select id, :at from a where cast(:at as timestamptz) is not null"
            ),
            {"mal_id": mal_id, "status": status, "at": None if ago is None else parts.told.now - ago},
        )


@pytest.mark.parametrize("status", FRESH_FOR)
async def test_a_title_is_a_hit_until_its_time_is_over_and_stale_from_then_on(
    parts: Parts, jikan_standin: JikanStandin, status: Status | None
) -> None:
    await store(parts, 21, status, FRESH_FOR[status] - SECOND)
    fresh = await parts.mal.get(21, client="me")
    await parts.refresh_queue.settle()
    assert (fresh.state, fresh.age) == ("hit", FRESH_FOR[status].total_seconds() - 1)
    assert await parts.queued() == []
    parts.told.now += SECOND
    stale = await parts.mal.get(21, client="me")
    await parts.refresh_queue.settle()
    assert (stale.state, stale.age, stale.body) == ("stale", FRESH_FOR[status].total_seconds(), fresh.body)
    assert await parts.queued() == ["anime.sync:21"]
    assert jikan_standin.stats().total == 0


async def test_never_synced_titles_are_stale_without_an_age(parts: Parts) -> None:
    await store(parts, 21, "finished", None)
    answer = await parts.mal.get(21, client="me")
    assert (answer.state, answer.age) == ("stale", None)


async def test_a_miss_becomes_a_row(parts: Parts, jikan_standin: JikanStandin) -> None:
    first = await parts.mal.get(777, client="me")
    parts.told.now += timedelta(minutes=1)
    second = await parts.mal.get(777, client="me")
    assert (first.state, first.age, second.state, second.age) == ("miss", 0, "hit", 60)
    assert first.body == second.body
    assert (jikan_standin.stats().total, parts.told.announced) == (1, 1)


async def test_absences_are_cached_until_the_title_appears(parts: Parts, jikan_standin: JikanStandin) -> None:
    for _ in range(3):
        with pytest.raises(NotFound, match="MyAnimeList has no anime 99999999"):
            await parts.mal.get(99_999_999, client="me")
    assert jikan_standin.stats().total == 1
    jikan_standin.change(99_999_999, title="New")
    await parts.sync.sync_anime(99_999_999)
    assert json.loads((await parts.mal.get(99_999_999, client="me")).body)["mal_id"] == 99_999_999


async def test_failures_are_not_remembered(parts: Parts, jikan_standin: JikanStandin) -> None:
    jikan_standin.behave("html", times=1)
    with pytest.raises(UpstreamError):
        await parts.mal.get(777, client="me")
    assert (await parts.mal.get(777, client="me")).state == "miss"
