"""API processes on one database and one Valkey, and clients of them."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from tests.faults.stack import Program, Stack

_UP_WITHIN = 60.0  # seconds


@dataclass(frozen=True)
class Api:
    program: Program
    http: httpx.AsyncClient
    port: int


@asynccontextmanager
async def running_apis(stack: Stack, count: int, **environment: str) -> AsyncIterator[list[Api]]:
    """This many processes, each with a client of its own."""
    apis = list(await asyncio.gather(*(_start(stack, environment) for _ in range(count))))
    try:
        yield apis
    finally:
        for api in apis:
            await api.http.aclose()


async def _start(stack: Stack, environment: dict[str, str]) -> Api:
    port = _free_port()
    program = stack.start("app.cli", "api", "--port", str(port), **environment)
    limits = httpx.Limits(max_connections=50, max_keepalive_connections=50)
    http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, limits=limits)
    deadline = time.monotonic() + _UP_WITHIN
    while True:
        assert program.alive, program.log_file.read_text()
        assert time.monotonic() < deadline, "the API does not answer"
        try:
            if (await http.get("/health/live")).status_code == 200:
                return Api(program, http, port)
        except httpx.TransportError:
            await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
