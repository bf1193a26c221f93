"""Two API processes on one database and one Valkey, in front of the stand-in."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from tests.faults.stack import Program, Stack
from tests.standin import JikanStandin

_UP_WITHIN = 60.0  # seconds


@dataclass
class Api:
    program: Program
    http: httpx.AsyncClient


@dataclass
class Timed:
    """A response and its time in seconds."""

    answer: httpx.Response
    seconds: float


@asynccontextmanager
async def api(stack: Stack, standin: JikanStandin, *, setting: str = "JIKAN_BASE_URL") -> AsyncIterator[Api]:
    """An API process whose ``setting`` points to the stand-in, and a client of it."""
    port = _free_port()
    program = stack.start("app.cli", "api", "--port", str(port), **{setting: standin.base_url})
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=15, limits=limits) as http:
        await _until_up(program, http)
        yield Api(program, http)


@asynccontextmanager
async def two_apis(
    stack: Stack, standin: JikanStandin, *, setting: str = "JIKAN_BASE_URL"
) -> AsyncIterator[list[Api]]:
    async with (
        api(stack, standin, setting=setting) as first,
        api(stack, standin, setting=setting) as second,
    ):
        yield [first, second]


async def _until_up(program: Program, http: httpx.AsyncClient) -> None:
    deadline = time.monotonic() + _UP_WITHIN
    while True:
        assert program.alive, program.log_file.read_text()
        assert time.monotonic() < deadline, f"it does not answer: {program.log_file.read_text()}"
        try:
            if (await http.get("/health/live")).status_code == 200:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.05)


async def timed_get(api: Api, path: str) -> Timed:
    started = time.monotonic()
    answer = await api.http.get(path)
    return Timed(answer, time.monotonic() - started)


def statuses(answers: list[Timed]) -> Counter[int]:
    return Counter(one.answer.status_code for one in answers)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
