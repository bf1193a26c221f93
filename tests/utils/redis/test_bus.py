"""The bus: one connection for all topics, and detection of dead connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial

import pytest
from redis.asyncio import Redis

from app.utils.processes.embedded import ServerUrls
from app.utils.redis.bus import Bus
from app.utils.redis.client import connect_redis


class Relay:
    """A proxy between the listener and Redis; ``silence`` makes open connections swallow every byte."""

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


async def test_a_dead_connection_is_replaced(relay: tuple[Relay, str], redis_url: str) -> None:
    messages: list[bytes] = []
    joins: list[int] = []
    async with connect_redis(relay[1]) as far, connect_redis(redis_url) as near:
        there, here = Bus(far), Bus(near)
        async with there.subscribe(
            "news", on_message=messages.append, on_gap=lambda: joins.append(len(messages))
        ):
            await until(lambda: joins == [0])
            await here.publish("news", b"one")
            await until(lambda: messages == [b"one"])
            relay[0].silence()
            await here.publish("news", b"lost")
            await until(lambda: joins == [0, 1])
            await here.publish("news", b"two")
            await until(lambda: messages == [b"one", b"two"])


async def test_a_quiet_topic_keeps_its_connection(redis: Redis) -> None:
    joins: list[None] = []
    async with Bus(redis).subscribe("quiet", on_message=lambda _: None, on_gap=lambda: joins.append(None)):
        await asyncio.sleep(5)
    assert joins == [None]


async def subscribed(redis: Redis) -> set[str]:
    """The ids of connections with any subscription."""
    return {client["id"] for client in await redis.client_list(_type="pubsub")}


async def test_topics_share_one_connection(redis: Redis, redis_url: str) -> None:
    async with connect_redis(redis_url) as far, AsyncExitStack() as stack:
        here, there = Bus(redis), Bus(far)
        others = await subscribed(redis)  # from earlier tests; the server is closing them
        heard: dict[str, list[bytes]] = {"a": [], "b": [], "own": []}
        joins: list[str] = []
        for topic in ("a", "b"):
            subscription = there.subscribe(
                topic, on_message=heard[topic].append, on_gap=partial(joins.append, topic)
            )
            await stack.enter_async_context(subscription)
            await until(partial(joins.__contains__, topic))
        assert len(await subscribed(redis) - others) == 1
        here.attach("a", heard["own"].append)
        await here.publish("a", b"1:2")
        assert heard["own"] == [b"1:2"], "here it is heard before the call returns"
        await here.publish("b", b"")
        await until(lambda: heard["b"] == [b""])
        assert (heard["a"], heard["own"]) == ([b"1:2"], [b"1:2"])


async def test_without_redis_messages_are_delivered_locally() -> None:
    heard: list[bytes] = []
    async with connect_redis("unix:///nowhere/valkey.sock") as redis:
        bus = Bus(redis)
        async with bus.subscribe("news", on_message=heard.append, on_gap=lambda: None):
            await bus.publish("news", b"one")
    assert heard == [b"one"]
