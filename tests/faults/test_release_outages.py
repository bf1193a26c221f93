"""AniLibria away for minutes; Redis away while clients reconnect."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import websockets
from sqlalchemy import text

from app.config import Settings
from app.container import Container, build
from app.schemas.events import EpisodeReleased
from app.utils.db.database import Database
from tests.faults.stack import Stack, running_stack
from tests.faults.upstream_stack import api, two_apis
from tests.standin import AniLibriaStandin

pytestmark = [pytest.mark.fault, pytest.mark.xdist_group("upstream faults")]

V2 = "/api/anilibria/v2"
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    yield from running_stack(tmp_path, database_url)


@pytest.fixture
async def writer(
    settings: Settings, stack: Stack, database: Database, anilibria_standin: AniLibriaStandin
) -> AsyncIterator[Container]:
    """Another process, which stores what happens."""
    changed = {"redis_url": stack.redis_url, "anilibria_base_url": anilibria_standin.base_url}
    async with build(settings.model_copy(update=changed), db=database) as container:
        yield container


async def _outage(
    stack: Stack, writer: Container, standin: AniLibriaStandin, *, away: float, every: float
) -> None:
    paths = ["/titles/7", "/genres", "/search?q=number"]
    async with api(stack, standin, setting="ANILIBRIA_BASE_URL") as one:
        known = {path: (await one.http.get(V2 + path)).json()["data"] for path in paths}
        async with writer.db.transaction() as tx:
            for table in ("releases", "upstream_answers"):
                await tx.session.execute(text(f"update {table} set fetched_at = now() - interval '3 days'"))
        await writer.releases.titles.forget("anilibria:*")
        standin.refuse()
        await asyncio.sleep(2)  # until every process has forgotten
        ends = time.monotonic() + away
        while time.monotonic() < ends:
            for path in paths:
                answer = await one.http.get(V2 + path)
                assert answer.status_code == 200, answer.text
                assert answer.json()["data"] == known[path]
                assert answer.json()["meta"]["stale"] is True
            await asyncio.sleep(every)
        standin.accept()
        back = time.monotonic()
        left = set(paths)
        while left:
            for path in sorted(left):
                answer = await one.http.get(V2 + path)
                assert answer.status_code == 200, answer.text
                if answer.json()["meta"]["stale"] is False:
                    left.discard(path)
            assert time.monotonic() - back < 35, f"still stale: {left}"
            await asyncio.sleep(1)
        seconds = time.monotonic() - back
    print(f"fresh again {seconds:.1f} s after AniLibria was back")  # noqa: T201  # what it is run for


async def test_known_titles_are_served_stale_during_an_outage_and_fresh_soon_after_it(
    stack: Stack, writer: Container, anilibria_standin: AniLibriaStandin
) -> None:
    await _outage(stack, writer, anilibria_standin, away=4, every=1)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_known_titles_are_served_stale_for_five_minutes(
    stack: Stack, writer: Container, anilibria_standin: AniLibriaStandin
) -> None:
    await _outage(stack, writer, anilibria_standin, away=300, every=3)


class _Client:
    """A subscriber that reconnects with the id of the last event that it has."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._reading: asyncio.Task[None] | None = None
        self._socket: websockets.ClientConnection | None = None
        self.heard: Counter[int] = Counter()
        self.episodes: list[int] = []
        self._last = 0

    async def connect(self) -> None:
        self._socket = await websockets.connect(self._url, compression=None, open_timeout=60)
        data = {"since": self._last} if self._last else {}
        await self._socket.send(json.dumps({"type": "subscribe_updates", "data": data}))
        self._reading = asyncio.create_task(self._read(self._socket))

    async def leave(self) -> None:
        assert self._socket is not None
        assert self._reading is not None
        self._reading.cancel()
        await self._socket.close()

    async def _read(self, socket: websockets.ClientConnection) -> None:
        async for message in socket:
            said = json.loads(message)
            if said["type"] == "new_episode":
                self._last = max(self._last, said["event_id"])
                self.heard[said["event_id"]] += 1
                self.episodes.append(said["data"]["episode"])


async def _tell(writer: Container, *ordinals: int) -> None:
    for ordinal in ordinals:
        async with writer.db.transaction() as tx:
            tx.emit(EpisodeReleased(7, ordinal, "Имя", None, None, AT))


async def _until(clients: list[_Client], count: int) -> None:
    async with asyncio.timeout(30):
        while any(len(one.heard) < count for one in clients):  # noqa: ASYNC110  # they are many
            await asyncio.sleep(0.05)


async def _redis_cut(
    stack: Stack, writer: Container, standin: AniLibriaStandin, *, seconds: float, count: int
) -> None:
    async with two_apis(stack, standin, setting="ANILIBRIA_BASE_URL") as apis:
        bases = [str(one.http.base_url).rstrip("/").replace("http", "ws", 1) for one in apis]
        clients = [_Client(f"{bases[number % 2]}{V2}/ws") for number in range(count)]
        await asyncio.gather(*(one.connect() for one in clients))
        await asyncio.sleep(0.5)
        await _tell(writer, 1, 2)
        await _until(clients, 2)
        stack.kill_valkey()
        cut = time.monotonic()
        away, stayed = clients[: count // 2], clients[count // 2 :]
        await asyncio.gather(*(one.leave() for one in away))
        await _tell(writer, 3, 4)
        await _until(stayed, 4)
        await asyncio.gather(*(one.connect() for one in away[::2]))
        await _until(away[::2], 4)
        await _tell(writer, 5)
        await asyncio.sleep(max(0.0, seconds - (time.monotonic() - cut)))
        stack.start_valkey()
        await _tell(writer, 6)
        await asyncio.gather(*(one.connect() for one in away[1::2]))
        await _until(clients, 6)
        await _tell(writer, 7)
        await _until(clients, 7)
        await asyncio.sleep(1)
        assert [one.episodes for one in clients] == [[1, 2, 3, 4, 5, 6, 7]] * count
        await asyncio.gather(*(one.leave() for one in clients))


async def test_clients_that_reconnect_while_redis_is_away_get_every_event_once(
    stack: Stack, writer: Container, anilibria_standin: AniLibriaStandin
) -> None:
    await _redis_cut(stack, writer, anilibria_standin, seconds=2, count=20)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_two_hundred_clients_get_every_event_once_though_redis_is_away_for_ten_seconds(
    stack: Stack, writer: Container, anilibria_standin: AniLibriaStandin
) -> None:
    await _redis_cut(stack, writer, anilibria_standin, seconds=10, count=200)
