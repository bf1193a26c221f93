"""The listener finds out that its server is gone, also where nobody says so."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from app.utils.processes.embedded import ServerUrls
from app.utils.redis.client import connect_redis
from app.utils.redis.pubsub import Listener


class Relay:
    """Stands between the listener and Redis; ``silence`` makes all that is open swallow every byte."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._links: list[asyncio.Event] = []

    def silence(self) -> None:
        for link in self._links:
            link.clear()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing = asyncio.Event()
        passing.set()
        self._links.append(passing)
        far_reader, far_writer = await asyncio.open_unix_connection(self._path)
        await asyncio.gather(_pump(reader, far_writer, passing), _pump(far_reader, writer, passing))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passing: asyncio.Event) -> None:
    try:
        while chunk := await reader.read(65536):
            if passing.is_set():
                writer.write(chunk)
    finally:
        writer.close()


@pytest.fixture
async def relay(servers: ServerUrls) -> AsyncIterator[tuple[Relay, str]]:
    relay = Relay(servers.redis_url.removeprefix("unix://").partition("?")[0])
    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield relay, f"redis://127.0.0.1:{port}/0"
    server.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what it waits for has no event
            await asyncio.sleep(0.02)


async def test_a_silent_connection_is_given_up(relay: tuple[Relay, str], redis_url: str) -> None:
    words: list[bytes] = []
    joins: list[int] = []
    async with connect_redis(relay[1]) as far, connect_redis(redis_url) as near:
        listener = Listener(
            far, "channel", on_message=words.append, on_subscribe=lambda: joins.append(len(words))
        )
        task = asyncio.create_task(listener.run())
        await until(lambda: joins == [0])
        await near.publish("channel", b"one")
        await until(lambda: words == [b"one"])
        relay[0].silence()
        await near.publish("channel", b"lost")
        await until(lambda: joins == [0, 1])
        await near.publish("channel", b"two")
        await until(lambda: words == [b"one", b"two"])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_quiet_channel_is_not_taken_for_a_dead_one(redis_url: str) -> None:
    joins: list[None] = []
    async with connect_redis(redis_url) as redis:
        listener = Listener(
            redis, "quiet", on_message=lambda _: None, on_subscribe=lambda: joins.append(None)
        )
        task = asyncio.create_task(listener.run())
        await asyncio.sleep(5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert joins == [None]
