"""Start the compared applications as processes, and measure them in turns."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil

from tests.bench.pinning import OTHER_CORE, pin

_ROOT = Path(__file__).parents[2]
_WARM_UP = 0.4  # seconds per round


@dataclass(frozen=True)
class Ask:
    """One request."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: str = ""

    @property
    def raw(self) -> str:
        length = {"content-length": str(len(self.body.encode()))} if self.body else {}
        headers = {"host": "bench", **self.headers, **length}
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join([*lines, "", self.body])


@dataclass
class Contestant:
    """A server, its requests, and its best results so far; times are microseconds per response."""

    title: str
    port: int
    process: psutil.Process
    dsn: str
    path: str = "/anime"
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    asks: Sequence[Ask] = ()
    """Instead of ``path`` and ``headers``: what the connections ask in turns."""
    per_second: float = 0.0
    server_time: float = float("inf")
    database_time: float = float("inf")

    @property
    def cost(self) -> float:
        """Processor time per response.

        The throughput of a core, even while other processes use the machine.
        """
        return self.server_time + self.database_time

    @property
    def all_asks(self) -> Sequence[Ask]:
        return self.asks or (Ask(self.path, self.headers),)

    @property
    def requests(self) -> list[str]:
        return [ask.raw for ask in self.all_asks]

    async def ask(self) -> httpx.Response:
        """The response to its first request."""
        ask = self.all_asks[0]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            headers = {"accept-encoding": "identity", **ask.headers, "host": "bench"}
            return await client.request(ask.method, ask.path, headers=headers, content=ask.body)

    async def warm_up(self, connections: int) -> None:
        """Open its connections, prepare its statements, fill its caches."""
        await _load(
            {
                "port": self.port,
                "requests": self.requests,
                "connections": connections,
                "seconds": _WARM_UP,
                "warm_up": 0,
            }
        )

    async def measure(self, *, connections: int, seconds: float) -> None:
        """Measure one round; keeps the best result of all rounds."""
        backends = await _backends(self.dsn)
        pin(OTHER_CORE, [backend.pid for backend in backends])
        before = _spent([self.process]), _spent(backends)
        rates = await _load(
            {
                "port": self.port,
                "requests": self.requests,
                "connections": connections,
                "seconds": seconds,
                "warm_up": _WARM_UP,
            }
        )
        after = _spent([self.process]), _spent(backends)
        if set(rates) != {str(self.status)}:
            raise AssertionError(f"{self.title} answered {rates}, not {self.status} alone")
        rate = rates[str(self.status)]
        answers = rate * (seconds + _WARM_UP)
        self.per_second = max(self.per_second, rate)
        self.server_time = min(self.server_time, (after[0] - before[0]) / answers * 1e6)
        self.database_time = min(self.database_time, (after[1] - before[1]) / answers * 1e6)


def _spent(processes: Sequence[psutil.Process]) -> float:
    """Processor time in seconds."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


async def _backends(dsn: str) -> list[psutil.Process]:
    """The PostgreSQL backends of this database; a burst of requests has opened all of them."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(
        "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    )
    await connection.close()
    return [psutil.Process(row[0]) for row in rows]


async def _load(order: dict[str, Any]) -> dict[str, float]:
    loader = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.load", stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT
    )
    answer, _ = await loader.communicate(json.dumps(order).encode())
    rates: dict[str, float] = json.loads(answer)
    return rates


@asynccontextmanager
async def on_stage(name: str, order: dict[str, Any]) -> AsyncIterator[tuple[int, psutil.Process]]:
    """Run a server during the block; yields its port and process."""
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.contestants",
        name,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_ROOT,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        server.stdin.write(json.dumps(order).encode() + b"\n")
        port = int(await asyncio.wait_for(server.stdout.readline(), 60))
        await _until_it_answers(port)
        yield port, psutil.Process(server.pid)
    finally:
        server.terminate()
        await server.wait()


async def _until_it_answers(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(200):
            try:
                if (await client.get("/anime")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.05)
    raise AssertionError(f"the server on port {port} did not come up")


async def in_turns(
    contestants: Sequence[Contestant], *, rounds: int, seconds: float, connections: int = 16
) -> None:
    """Measure each contestant ``rounds`` times, alternating, so that a noisy period affects all."""
    for contestant in contestants:
        await contestant.warm_up(connections)
    for _ in range(rounds):
        for contestant in contestants:
            await contestant.measure(connections=connections, seconds=seconds)
