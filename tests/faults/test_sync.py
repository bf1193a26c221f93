"""Syncs from request to row: API, scheduler and worker processes with the stand-in."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.container import Container
from app.utils.db.database import Database
from tests.faults.stack import Stack, running_stack
from tests.faults.upstream_stack import api
from tests.fixtures.accounts import SignedIn
from tests.standin import JikanStandin

pytestmark = [pytest.mark.fault, pytest.mark.xdist_group("upstream faults")]


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    yield from running_stack(tmp_path, database_url)


@pytest.fixture
async def curator(
    stack: Stack, jikan_standin: JikanStandin, container: Container, admin: SignedIn
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may start syncs; a worker runs them."""
    stack.start("app.worker", JIKAN_BASE_URL=jikan_standin.base_url)
    async with api(stack, jikan_standin) as one:
        one.http.headers.update(admin.headers)
        yield one.http


async def ended(curator: httpx.AsyncClient, order: str, *, seconds: float) -> dict[str, Any]:
    """The job of the sync, once it has finished."""
    accepted = await curator.post(order)
    assert accepted.status_code == 202, accepted.text
    async with asyncio.timeout(seconds):
        while True:
            job: dict[str, Any] = (await curator.get(accepted.json()["status_url"])).json()
            if job["status"] in {"succeeded", "failed"}:
                return job
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(("limit", "pages"), [(200, 8), pytest.param(1000, 40, marks=pytest.mark.soak)])
async def test_the_top_costs_list_calls_only(
    curator: httpx.AsyncClient, jikan_standin: JikanStandin, database: Database, limit: int, pages: int
) -> None:
    job = await ended(curator, f"/anime/sync/top?limit={limit}", seconds=180)
    assert (job["status"], job["progress"]) == ("succeeded", {"done": limit, "total": limit})
    assert jikan_standin.stats().by_path == {"/v4/top/anime": pages}
    figures = jikan_standin.stats()
    assert figures.max_1s <= 3
    assert figures.max_60s <= 60
    stored = "select count(*) from anime a join anime_syncs s on s.anime_id = a.id where mal_id is not null"
    assert await database.scalar(stored) == limit


async def test_one_title_and_its_season(
    curator: httpx.AsyncClient, jikan_standin: JikanStandin, database: Database
) -> None:
    assert (await ended(curator, "/anime/sync/777", seconds=30))["status"] == "succeeded"
    season = await ended(curator, "/anime/sync/season?year=2024&season=spring", seconds=60)
    assert season["status"] == "succeeded"
    assert season["progress"]["done"] == season["progress"]["total"] > 25
    stored = "select count(*) from anime where year = 2024 and season = 'spring'"
    assert await database.scalar(stored) == season["progress"]["done"]
    fresh = await curator.get("/anime/mal/777")
    assert (fresh.status_code, fresh.headers["x-cache"]) == (200, "hit")


async def test_an_id_that_mal_lacks_fails_at_once_and_is_not_tried_again(
    curator: httpx.AsyncClient, jikan_standin: JikanStandin
) -> None:
    job = await ended(curator, "/anime/sync/99999999", seconds=10)
    assert (job["status"], job["error"]) == ("failed", "MyAnimeList has no anime 99999999.")
    assert jikan_standin.stats().total == 1


async def test_the_scheduler_has_stale_titles_refreshed(
    stack: Stack, curator: httpx.AsyncClient, jikan_standin: JikanStandin, database: Database
) -> None:
    async with database.transaction() as tx:
        await tx.session.execute(
            text(
                "with a as (insert into anime (mal_id, title, status)"
                " select i, 'Old', case when i % 2 = 0 then 'airing' else 'finished' end"
                " from generate_series(1, 10) as i returning id, mal_id)"
                " insert into anime_syncs select id, now() - make_interval(days => mal_id) from a"
            )
        )
    stale = (
        "select array_agg(mal_id order by mal_id) from anime a join anime_syncs s on s.anime_id = a.id"
        " where synced_at < now() - interval '12 hours'"
    )
    stack.start("tests.faults.programs", "scheduler")
    async with asyncio.timeout(60):
        while await database.scalar(stale) != [1, 3, 5]:  # noqa: ASYNC110  # finished ones stay fresh longer
            await asyncio.sleep(0.1)
    asked = [int(call.path.split("/")[3]) for call in jikan_standin.calls()]
    assert sorted(asked) == [2, 4, 6, 7, 8, 9, 10]


async def test_a_stale_title_that_is_read_is_fresh_soon(
    curator: httpx.AsyncClient, jikan_standin: JikanStandin, database: Database
) -> None:
    async with database.transaction() as tx:
        await tx.session.execute(text("insert into anime (mal_id, title) values (777, 'From a dump')"))
    first = await curator.get("/anime/mal/777")
    assert (first.headers["x-cache"], first.json()["title"]) == ("stale", "From a dump")
    async with asyncio.timeout(30):
        again = first
        while again.headers["x-cache"] != "hit":
            await asyncio.sleep(0.1)
            again = await curator.get("/anime/mal/777")
    assert again.json()["title"] != "From a dump"
    assert jikan_standin.stats().total == 1
