"""Concurrent requests for a title over two processes cause one call to Jikan."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.utils.db.database import Database
from tests.faults.stack import Stack, running_stack
from tests.faults.upstream_stack import Api, statuses, timed_get, two_apis
from tests.standin import JikanStandin

pytestmark = [pytest.mark.fault, pytest.mark.xdist_group("upstream faults")]


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    yield from running_stack(tmp_path, database_url)


@pytest.fixture
async def apis(stack: Stack, jikan_standin: JikanStandin) -> AsyncIterator[list[Api]]:
    async with two_apis(stack, jikan_standin) as apis:
        yield apis


async def test_fifty_misses_over_two_processes_make_one_call(
    apis: list[Api], jikan_standin: JikanStandin, database: Database
) -> None:
    jikan_standin.behave("slow", seconds=0.5)
    answers = await asyncio.gather(*(timed_get(apis[turn % 2], "/anime/mal/777") for turn in range(50)))
    assert statuses(list(answers)) == {200: 50}
    assert len({one.answer.content for one in answers}) == 1
    assert answers[0].answer.json()["mal_id"] == 777
    assert {one.answer.headers["x-cache"] for one in answers} == {"miss"}
    assert jikan_standin.stats().total == 1
    assert await database.scalar("select count(*) from anime") == 1
    again = await timed_get(apis[0], "/anime/mal/777")
    assert (again.answer.headers["x-cache"], again.answer.content) == ("hit", answers[0].answer.content)


async def test_waiting_for_a_flight_holds_no_connection(
    apis: list[Api], jikan_standin: JikanStandin, database: Database
) -> None:
    jikan_standin.behave("slow", match="/777", seconds=2)
    waiting = [asyncio.create_task(timed_get(apis[turn % 2], "/anime/mal/777")) for turn in range(100)]
    await _until_calls(jikan_standin, 1)
    busy = "select count(*) from pg_stat_activity where application_name = 'anisync' and state <> 'idle'"
    async with asyncio.timeout(1.8):
        while await database.scalar(busy) > 1:  # noqa: ASYNC110  # besides the one that looks
            await asyncio.sleep(0.1)
    others = await asyncio.gather(*(timed_get(apis[turn % 2], "/genres") for turn in range(20)))
    assert statuses(list(others)) == {200: 20}
    assert not any(task.done() for task in waiting), "the others did not wait for the flight"
    assert statuses(await asyncio.gather(*waiting)) == {200: 100}


async def test_a_killed_leader_is_replaced(apis: list[Api], jikan_standin: JikanStandin) -> None:
    jikan_standin.behave("slow", times=1, seconds=10)
    doomed = [asyncio.create_task(timed_get(apis[0], "/anime/mal/777")) for _ in range(10)]
    await _until_calls(jikan_standin, 1)
    waiting = [asyncio.create_task(timed_get(apis[1], "/anime/mal/777")) for _ in range(40)]
    await asyncio.sleep(0.3)
    apis[0].program.kill()
    answers = await asyncio.gather(*waiting)
    assert statuses(answers) == {200: 40}
    assert max(one.seconds for one in answers) < 5
    assert jikan_standin.stats().total == 2
    await asyncio.gather(*doomed, return_exceptions=True)


async def test_without_redis_each_process_asks_once(
    stack: Stack, apis: list[Api], jikan_standin: JikanStandin
) -> None:
    stack.kill_valkey()
    jikan_standin.behave("slow", seconds=0.5)
    answers = await asyncio.gather(*(timed_get(apis[turn % 2], "/anime/mal/777") for turn in range(50)))
    assert statuses(list(answers)) == {200: 50}
    assert jikan_standin.stats().total <= 2


async def test_a_hanging_redis_delays_but_breaks_nothing(
    stack: Stack, apis: list[Api], jikan_standin: JikanStandin
) -> None:
    stack.freeze_valkey()
    answers = await asyncio.gather(*(timed_get(apis[turn % 2], "/anime/mal/777") for turn in range(50)))
    assert statuses(list(answers)) == {200: 50}
    assert max(one.seconds for one in answers) < 4
    assert jikan_standin.stats().total <= 2
    hits = [await timed_get(apis[turn % 2], "/anime/mal/777") for turn in range(20)]
    assert {one.answer.headers["x-cache"] for one in hits} == {"hit"}


@pytest.mark.parametrize("redis", ["there", "gone"])
async def test_a_thousand_requests_for_a_title_that_mal_lacks_make_one_call(
    stack: Stack, apis: list[Api], jikan_standin: JikanStandin, redis: str
) -> None:
    if redis == "gone":
        stack.kill_valkey()
    for _ in range(20):
        answers = await asyncio.gather(
            *(timed_get(apis[turn % 2], "/anime/mal/99999999") for turn in range(50))
        )
        assert statuses(list(answers)) == {404: 50}
    assert jikan_standin.stats().total == (1 if redis == "there" else 2)


async def test_a_client_that_walks_all_ids_leaves_capacity_for_syncs(
    apis: list[Api], jikan_standin: JikanStandin
) -> None:
    walked = []
    for mal_id in range(1, 201):
        walked.append(await timed_get(apis[mal_id % 2], f"/anime/mal/{mal_id}"))
        if walked[-1].answer.status_code == 429:
            break
    refused = walked[-1].answer
    assert refused.status_code == 429, statuses(walked)
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert refused.json()["code"] == "RATE_LIMITED"
    assert jikan_standin.stats().total <= 30
    assert (await timed_get(apis[0], "/anime/mal/1")).answer.headers["x-cache"] == "hit"


async def _until_calls(standin: JikanStandin, count: int) -> None:
    async with asyncio.timeout(10):
        while standin.stats().total < count:  # noqa: ASYNC110  # it happens in another process
            await asyncio.sleep(0.02)
