"""Changes of the catalogue reach every process, also after Redis outages."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack
from functools import partial

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from app.config import Settings
from app.container import Container, build
from app.main import create_app
from app.services.catalogue.events import CatalogueEvents
from app.utils.redis.bus import Bus
from app.utils.redis.client import connect_redis
from tests.fixtures.accounts import make_account


async def until(condition: Callable[[], bool], *, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


class Ear:
    def __init__(self) -> None:
        self.heard = 0
        self.titles: Collection[int] | None = None

    def __call__(self, titles: Collection[int] | None = None) -> None:
        self.heard += 1
        self.titles = titles


@pytest.fixture
async def far(redis_url: str) -> AsyncIterator[Redis]:
    """Redis as used by another process."""
    async with connect_redis(redis_url) as redis:
        yield redis


async def test_changes_are_delivered_locally_at_once_and_elsewhere_soon(redis: Redis, far: Redis) -> None:
    here, there = CatalogueEvents(Bus(redis)), CatalogueEvents(Bus(far))
    ear, far_ear = Ear(), Ear()
    async with here.subscribe(ear), there.subscribe(far_ear):
        await until(lambda: ear.heard == 1 and far_ear.heard == 1)  # each has joined
        await here.publish()
        assert ear.heard == 2
        await until(lambda: far_ear.heard == 2)
        await asyncio.sleep(0.1)
        assert ear.heard == 2, "one's own word is heard once"


async def test_a_stream_of_updates_concerns_lists_only_now_and_then(redis: Redis, far: Redis) -> None:
    now = 100.0
    here, there = CatalogueEvents(Bus(redis), clock=lambda: now), CatalogueEvents(Bus(far))
    ear, far_ear = Ear(), Ear()
    async with here.subscribe(ear), there.subscribe(far_ear):
        await until(lambda: ear.heard == 1 and far_ear.heard == 1)
        heard = []
        for number in range(30):
            await here.announce_updates([number, 1000])
            await until(partial(lambda times: far_ear.heard == times, number + 2))
            assert list(ear.titles or ()) == list(far_ear.titles or ())
            heard.append(ear.titles)
            now += 1.0
        assert [number for number, titles in enumerate(heard) if titles is None] == [0, 1, 2, 10, 20]
        assert heard[29] == (29, 1000)
        await here.publish()
        assert ear.titles is None


async def test_a_lost_connection_counts_as_a_change(redis: Redis, far: Redis) -> None:
    changes, ear = CatalogueEvents(Bus(redis)), Ear()
    async with changes.subscribe(ear):
        for times in (1, 2):
            await until(partial(lambda expected: ear.heard == expected, times))
            await far.client_kill_filter(_type="pubsub")
        await until(lambda: ear.heard == 3)
        await CatalogueEvents(Bus(far)).publish()
        await until(lambda: ear.heard == 4)


async def test_without_redis_changes_are_delivered_locally() -> None:
    async with connect_redis("unix:///nowhere/valkey.sock") as redis:
        changes, ear = CatalogueEvents(Bus(redis)), Ear()
        async with changes.subscribe(ear):
            await changes.publish()
        assert ear.heard == 1


async def test_a_write_shows_at_once_in_its_process_and_soon_in_others(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(2):
            app = create_app(settings)
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app=app)
            client = httpx.AsyncClient(transport=transport, base_url="http://testserver")
            clients.append(await stack.enter_async_context(client))
            await until_answering(clients[-1])
        container = await stack.enter_async_context(build(settings))
        admin = await make_account(container, role="admin")
        here, there = clients
        for number in range(1, 6):
            before = [(await client.get("/anime")).headers["X-Total-Count"] for client in clients]
            assert before == [str(number - 1)] * 2
            added = await here.post("/anime", json={"title": f"Title {number}"}, headers=admin.headers)
            assert added.status_code == 201
            assert (await here.get("/anime")).headers["X-Total-Count"] == str(number)
            took = await seconds_until(there, total=str(number))
            assert took < 2.5, "that was the clock, not the word"


async def seconds_until(client: httpx.AsyncClient, *, total: str) -> float:
    started = time.monotonic()
    for _ in range(2000):
        if (await client.get("/anime")).headers["X-Total-Count"] == total:
            return time.monotonic() - started
        await asyncio.sleep(0.005)
    raise AssertionError(f"the catalogue never had {total} titles there")


async def until_answering(client: httpx.AsyncClient) -> None:
    for _ in range(400):
        if (await client.get("/anime")).status_code == 200:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the application did not start")


async def test_the_etag_changes_with_the_row(client: httpx.AsyncClient, container: Container) -> None:
    async with container.db.transaction() as tx:
        await tx.session.execute(text("insert into anime (title) values ('Before')"))
        tx.after_commit(container.catalogue.events.publish)
    first = await client.get("/anime")
    known = {"If-None-Match": first.headers["ETag"]}
    assert (await client.get("/anime", headers=known)).status_code == 304
    async with container.db.transaction() as tx:
        await tx.session.execute(text("update anime set title = 'After'"))
        tx.after_commit(container.catalogue.events.publish)
    second = await client.get("/anime", headers=known)
    assert (second.status_code, second.json()[0]["title"]) == (200, "After")
    assert second.headers["ETag"] != first.headers["ETag"]
    assert second.headers["Cache-Control"] == "public, no-cache"
