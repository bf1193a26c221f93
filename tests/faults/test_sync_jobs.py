"""Syncs requested over HTTP survive kills of API, workers, scheduler and Valkey."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from app.container import Container
from app.schemas.jobs import SyncAnime
from tests.faults.stack import Stack, running_stack
from tests.faults.upstream_stack import Api, api
from tests.fixtures.accounts import SignedIn, make_account
from tests.fixtures.jobs import Table
from tests.standin import JikanStandin

pytestmark = [pytest.mark.fault, pytest.mark.xdist_group("job faults")]

COUNT = 500


@pytest.fixture
def stack(tmp_path: Path, database_url: str, jikan_standin: JikanStandin) -> Iterator[Stack]:
    for stack in running_stack(tmp_path, database_url):
        stack.env["JIKAN_BASE_URL"] = jikan_standin.base_url
        yield stack


@dataclass
class Orders:
    """An admin who starts the sync of one title after another, and repeats requests without a response."""

    api: Api
    admin: SignedIn
    accepted: list[int] = field(default_factory=list)
    unanswered: int = 0

    async def place(self, mal_ids: range) -> None:
        for mal_id in mal_ids:
            while not await self._accepted(mal_id):  # noqa: ASYNC110  # what it waits for is a process
                await asyncio.sleep(0.1)

    async def _accepted(self, mal_id: int) -> bool:
        try:
            answer = await self.api.http.post(f"/anime/sync/{mal_id}", headers=self.admin.headers)
        except httpx.ConnectError:
            return False
        except httpx.TransportError:
            self.unanswered += 1  # it may have arrived nevertheless
            return False
        assert answer.status_code == 202, answer.text
        self.accepted.append(answer.json()["job_id"])
        return True


async def until_synced(table: Table, *, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while True:
            statuses = await table.statuses(SyncAnime.name)
            assert "failed" not in statuses, statuses
            if set(statuses) == {"succeeded"}:
                return
            await asyncio.sleep(0.3)


async def assert_one_effect_each(table: Table, orders: Orders, standin: JikanStandin) -> None:
    jobs = await table.rows("select id, key, attempts from jobs where kind = 'anime.sync'")
    assert {job.key for job in jobs} == {f"anime.sync:{mal_id}" for mal_id in range(1, COUNT + 1)}
    assert set(orders.accepted) <= {job.id for job in jobs}
    assert len(jobs) <= COUNT + orders.unanswered, "a key was live twice"
    titles = await table.rows("select mal_id from anime join anime_syncs on anime_id = id")
    assert sorted(title.mal_id for title in titles) == list(range(1, COUNT + 1))
    assert standin.stats().total <= sum(job.attempts for job in jobs), "a title was fetched for nothing"


async def until_accepted(orders: Orders, count: int) -> None:
    async with asyncio.timeout(90):
        while len(orders.accepted) < count:  # noqa: ASYNC110  # the orders are placed by another task
            await asyncio.sleep(0.02)


@pytest.mark.soak
async def test_five_hundred_syncs_survive_kills_of_api_workers_scheduler_and_valkey(
    stack: Stack, jikan_standin: JikanStandin, container: Container, table: Table
) -> None:
    async with AsyncExitStack() as until_end:
        workers, scheduler = [stack.worker(), stack.worker()], stack.scheduler()
        first = await until_end.enter_async_context(api(stack, jikan_standin))
        orders = Orders(first, await make_account(container, role="admin"))
        ordering = asyncio.create_task(orders.place(range(1, COUNT + 1)))
        for blow in range(6):
            await until_accepted(orders, (blow + 1) * COUNT // 8)
            if blow % 3 == 0:
                orders.api.program.kill()
                orders.api = await until_end.enter_async_context(api(stack, jikan_standin))
            elif blow % 3 == 1:
                victim = blow // 3 % 2
                workers[victim].kill()
                workers[victim] = stack.worker()
            else:
                stack.kill_valkey()
                scheduler.kill()
                await asyncio.sleep(0.3)
                stack.start_valkey()
                scheduler = stack.scheduler()
        assert not ordering.done(), "the blows came too late to prove anything"
        await asyncio.wait_for(ordering, 90)
        await until_synced(table, seconds=120)
        await assert_one_effect_each(table, orders, jikan_standin)
        assert orders.unanswered, "no blow hit a request"


@pytest.mark.soak
@pytest.mark.timeout(1500)
async def test_five_hundred_syncs_at_jikans_pace_survive_the_same(
    stack: Stack, jikan_standin: JikanStandin, container: Container, table: Table
) -> None:
    """With the real limits: takes at least nine minutes."""
    chance = random.Random(20261121)
    jikan_standin.enforce()
    workers, scheduler = [stack.start("app.worker") for _ in range(2)], stack.start("app.scheduler")
    async with api(stack, jikan_standin) as served:
        orders = Orders(served, await make_account(container, role="admin"))
        await orders.place(range(1, COUNT + 1))
    waiting = asyncio.create_task(until_synced(table, seconds=1300))
    for blow in range(12):
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), chance.uniform(20, 40))
        victim = chance.randrange(2)
        workers[victim].kill()
        workers[victim] = stack.start("app.worker")
        if blow % 4 == 1:
            stack.kill_valkey()
            stack.start_valkey()
        if blow % 4 == 3:
            scheduler.kill()
            scheduler = stack.start("app.scheduler")
    await waiting
    await assert_one_effect_each(table, orders, jikan_standin)
    stats = jikan_standin.stats()
    assert stats.max_1s <= 3
    assert stats.max_60s <= 60
