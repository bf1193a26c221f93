"""The Redis client: an unreachable server delays one command, not every one."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from app.utils.processes.embedded import ServerUrls
from app.utils.redis.client import REDIS_FAULTS, connect_redis


class Gate:
    """Forwards bytes to a server, or swallows them."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.silent = True
        self.asked = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        if self.silent:
            await reader.read()
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_unix_connection(self._path)
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
    finally:
        writer.close()


@pytest.fixture
async def gate(servers: ServerUrls) -> AsyncIterator[tuple[Gate, str]]:
    gate = Gate(servers.redis_url.removeprefix("unix://").partition("?")[0])
    server = await asyncio.start_server(gate, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield gate, f"redis://127.0.0.1:{port}/0"
    server.close()


async def test_only_one_command_waits_for_a_hanging_server(gate: tuple[Gate, str]) -> None:
    async with connect_redis(gate[1]) as redis:
        started = time.monotonic()
        with pytest.raises(REDIS_FAULTS):
            await redis.get("k")
        first = time.monotonic() - started
        for _ in range(50):
            with pytest.raises(REDIS_FAULTS):
                await redis.get("k")
        assert time.monotonic() - started < first * 3
        assert gate[0].asked == 1


async def test_a_recovered_server_is_used_again(gate: tuple[Gate, str]) -> None:
    async with connect_redis(gate[1]) as redis:
        with pytest.raises(REDIS_FAULTS):
            await redis.ping()
        gate[0].silent = False
        answers: list[object] = []
        for _ in range(30):  # a late response on a busy machine pauses all commands briefly
            await asyncio.sleep(0.1)
            answers = await asyncio.gather(*(redis.ping() for _ in range(300)), return_exceptions=True)
            if answers == [True] * 300:
                break
        assert answers == [True] * 300
