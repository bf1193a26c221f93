"""Releases over two API processes: one call per title, every event once, also during Redis outages."""

import asyncio
import json
import resource
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import websockets

from app.config import Settings
from app.container import Container, build
from app.schemas.events import EpisodeReleased
from app.utils.db.database import Database
from tests.faults.stack import Stack, running_stack
from tests.faults.upstream_stack import Api, statuses, timed_get, two_apis
from tests.standin import AniLibriaStandin

pytestmark = [pytest.mark.fault, pytest.mark.xdist_group("upstream faults")]

V2 = "/api/anilibria/v2"
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    yield from running_stack(tmp_path, database_url)


@pytest.fixture
async def apis(stack: Stack, anilibria_standin: AniLibriaStandin) -> AsyncIterator[list[Api]]:
    async with two_apis(stack, anilibria_standin, setting="ANILIBRIA_BASE_URL") as apis:
        yield apis


@pytest.fixture
async def writer(settings: Settings, stack: Stack, database: Database) -> AsyncIterator[Container]:
    """Another process, which stores the events."""
    told = settings.model_copy(update={"redis_url": stack.redis_url})
    async with build(told, db=database) as container:
        yield container


class Listeners:
    """Anonymous subscribers of everything, half of them on each process."""

    def __init__(self, apis: list[Api]) -> None:
        bases = (str(one.http.base_url).rstrip("/").replace("http", "ws", 1) for one in apis)
        self._urls = [f"{base}{V2}/ws" for base in bases]
        self._sockets: list[websockets.ClientConnection] = []
        self.heard: list[Counter[int]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self, count: int) -> None:
        for start in range(0, count, 50):
            some = range(start, min(start + 50, count))
            await asyncio.gather(*(self._join(self._urls[number % 2]) for number in some))

    async def _join(self, url: str) -> None:
        socket = await websockets.connect(url, compression=None, ping_interval=None, open_timeout=60)
        await socket.send(json.dumps({"type": "subscribe_updates", "data": {}}))
        assert json.loads(await socket.recv())["type"] == "subscribed"
        counts: Counter[int] = Counter()
        self._sockets.append(socket)
        self.heard.append(counts)
        self._tasks.append(asyncio.create_task(self._listen(socket, counts)))

    @staticmethod
    async def _listen(socket: websockets.ClientConnection, counts: Counter[int]) -> None:
        async for message in socket:
            counts[json.loads(message)["event_id"]] += 1

    async def until(self, events: int, *, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while any(len(one) < events for one in self.heard):  # noqa: ASYNC110  # they are thousands
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for socket in self._sockets:
            socket.transport.abort()
        await asyncio.sleep(0)


@pytest.fixture
async def listeners(apis: list[Api]) -> AsyncIterator[Listeners]:
    listeners = Listeners(apis)
    yield listeners
    await listeners.close()


async def tell(writer: Container, *ordinals: int) -> None:
    for ordinal in ordinals:
        async with writer.db.transaction() as tx:
            tx.emit(EpisodeReleased(7, ordinal, "Имя", None, None, AT))


async def test_two_hundred_misses_over_two_processes_make_one_call(
    apis: list[Api], anilibria_standin: AniLibriaStandin
) -> None:
    """A hundred on each process, the maximum of one client per minute."""
    anilibria_standin.behave("slow", seconds=0.5)
    waiting = (timed_get(apis[turn % 2], f"{V2}/titles/9") for turn in range(100))
    answers: list[Any] = await asyncio.gather(*waiting)
    assert statuses(answers) == {200: 100}
    assert len({json.dumps(one.answer.json()["data"]) for one in answers}) == 1
    assert anilibria_standin.stats().total == 1


async def test_every_event_reaches_every_subscriber_of_both_processes_once(
    stack: Stack, writer: Container, listeners: Listeners
) -> None:
    await listeners.connect(60)
    await tell(writer, 1, 2, 3)
    await listeners.until(3, seconds=15)
    stack.kill_valkey()
    await tell(writer, 4, 5)
    await listeners.until(5, seconds=20)
    stack.start_valkey()
    await tell(writer, 6)
    await listeners.until(6, seconds=20)
    await asyncio.sleep(1)
    assert {count for one in listeners.heard for count in one.values()} == {1}


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_five_thousand_subscribers_hear_of_an_episode(
    apis: list[Api], writer: Container, listeners: Listeners
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 12_000)), hard))
    before = sum(psutil.Process(api.program.pid).memory_info().rss for api in apis)
    await listeners.connect(5000)
    used = sum(psutil.Process(api.program.pid).memory_info().rss for api in apis) - before
    await tell(writer, 1)
    await listeners.until(1, seconds=60)
    started = time.monotonic()
    await tell(writer, 2)
    await listeners.until(2, seconds=60)
    seconds = time.monotonic() - started
    await asyncio.sleep(1)
    assert {count for one in listeners.heard for count in one.values()} == {1}
    print(f"{used / 5000 / 1024:.1f} KB a connection, the slowest after {seconds:.2f} s")  # noqa: T201  # what it is run for
    assert used / 5000 < 40 * 1024
    assert seconds < 2, "writing and receiving take place in one process of the test"
