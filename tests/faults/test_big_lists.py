"""A user imports, exports and undoes a long list while others send requests: real processes."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import text

from app.utils.db.database import Database
from tests.faults.apis import Api, running_apis
from tests.faults.stack import Stack, running_stack
from tests.fixtures.accounts import PASSWORD
from tests.fixtures.importing import IMPORT, long_list, upload
from tests.fixtures.processes import python

pytestmark = [pytest.mark.fault, pytest.mark.soak]

ROWS = 20_000
LONG = 50_000  # entries of the exported list
P99 = 0.1  # seconds: maximum of the 99th percentile of /health/live
GROWTH = 64 * 1024 * 1024  # bytes by which the process may grow

PROBE = """
import http.client, json, sys, time
took = []
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
sys.stdout.write("ready\\n")
sys.stdout.flush()
import threading
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
while not over.is_set():
    begun = time.perf_counter()
    connection.request("GET", "/health/live")
    assert connection.getresponse().read()
    took.append(time.perf_counter() - begun)
    time.sleep(0.01)
print(json.dumps(took))
"""


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    yield from running_stack(tmp_path, database_url)


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[Api]:
    async with running_apis(stack, 1) as [api]:
        body = {"username": "mio", "password": PASSWORD, "email": "mio@example.org"}
        token = (await api.http.post("/auth/register", json=body)).json()["access_token"]
        api.http.headers["Authorization"] = f"Bearer {token}"
        api.http.timeout = httpx.Timeout(120)
        yield api


@asynccontextmanager
async def probed(port: int) -> AsyncIterator[list[float]]:
    """The response times in seconds during the block, sorted; filled at its end."""
    found: list[float] = []
    pipe = asyncio.subprocess.PIPE
    probe = await asyncio.create_subprocess_exec(
        *python(PROBE, str(port)), stdin=pipe, stdout=pipe, limit=64 * 1024 * 1024
    )
    assert probe.stdout is not None
    try:
        await probe.stdout.readline()
        yield found
        output, _ = await probe.communicate(b"")  # which ends it
        found += sorted(json.loads(output))
    finally:
        if probe.returncode is None:
            probe.kill()
            await probe.wait()


def p99(took: list[float]) -> float:
    return took[math.ceil(len(took) * 0.99) - 1]


async def until_over(http: httpx.AsyncClient, answer: httpx.Response) -> int:
    assert answer.status_code == 202, answer.text
    while True:
        job = (await http.get(answer.json()["status_url"])).json()
        if job["status"] in ("succeeded", "failed"):
            assert job["status"] == "succeeded", job
            return int(job["id"])
        await asyncio.sleep(0.2)


async def download(http: httpx.AsyncClient, path: str) -> int:
    size = 0
    async with http.stream("GET", path) as answer:
        assert answer.status_code == 200
        async for piece in answer.aiter_bytes():
            size += len(piece)
    return size


@pytest.mark.timeout(900)
async def test_other_requests_are_served_while_a_user_moves_a_long_list(stack: Stack, api: Api) -> None:
    stack.worker()
    http = api.http
    first = await until_over(http, await http.post(IMPORT, files=upload(long_list(ROWS))))
    async with probed(api.port) as idle:
        await asyncio.sleep(5)

    async def export(*formats: str) -> None:
        for name in formats:
            await download(http, f"/users/me/export?format={name}&type=anime")
        await download(http, "/users/me/export")
        await download(http, f"{IMPORT}/{first}/report")

    async with probed(api.port) as busy:
        manga = upload(long_list(ROWS, kind="manga"))
        await asyncio.gather(
            until_over(http, await http.post(IMPORT, files=manga)),
            until_over(http, await http.post(f"{IMPORT}/preview", files=manga)),
            until_over(http, await http.post(f"{IMPORT}/{first}/undo")),
            export("mal_xml", "json"),
            export("csv"),
        )
    assert len(busy) > 200
    assert p99(busy) < P99 + p99(idle), f"{p99(busy):.3f} s, idle {p99(idle):.3f} s, longest {busy[-1]:.3f} s"
    counted = (await http.get("/api/library/summary")).json()
    assert counted["by_type"]["manga"] == counted["total"] == ROWS


@pytest.mark.timeout(600)
async def test_an_export_uses_little_memory_for_any_list(api: Api, database: Database) -> None:
    for first in range(1, LONG, 5000):
        async with database.transaction() as tx:
            await tx.session.execute(
                text(
                    """
                    insert into entries (user_id, media_type, mal_id, title, status, notes)
                    select id, 'anime', n, 'Title ' || n, 'watching', repeat('a note ', 50)
                    from users, generate_series(cast(:first as int), :first + 4999) n
                    """
                ),
                {"first": first},
            )
    process = psutil.Process(api.program.pid)
    for path in ("/users/me", "/users/me/list", "/users/me/export?type=manga&format=json"):
        await api.http.get(path)
    before = largest = process.memory_info().rss
    paths = ["/users/me/export", *(f"/users/me/export?format={name}" for name in ("mal_xml", "json", "csv"))]
    loads = [asyncio.create_task(download(api.http, path)) for path in paths]
    while not all(task.done() for task in loads):
        largest = max(largest, process.memory_info().rss)
        await asyncio.sleep(0.02)
    assert min([await task for task in loads]) > 10_000_000
    assert largest - before <= GROWTH, f"{(largest - before) / 1024 / 1024:.0f} MB"
