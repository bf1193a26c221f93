"""The schema check at startup: which revisions pass, and the messages otherwise."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app.api.middleware.start_gate import StartGate
from app.config import Settings
from app.utils.db import migrations
from app.utils.processes.serving import listen
from tests.fixtures.processes import ROOT, wait_until


async def start(database_url: str, *, auto: bool) -> dict[str, Any]:
    """The server's lifespan messages when it starts an application behind the gate."""
    told: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        told.append(message)

    settings = Settings(_env_file=None, database_url=database_url, auto_migrate=auto)
    await StartGate(application, settings)({"type": "lifespan"}, receive, send)
    assert len(told) == 1
    return told[0]


async def set_revision(database_url: str, revision: str) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await connection.execute("update alembic_version set version_num = $1", revision)
    await connection.close()


OPEN = {"type": "lifespan.startup.complete"}


def unix_socket_of(database_url: str) -> Path:
    folder = re.search(r"host=([^&]+)", database_url)
    assert folder is not None
    return next(path for path in Path(folder[1]).glob(".s.PGSQL.*") if path.suffix != ".lock")


@pytest.mark.parametrize("auto", [True, False])
async def test_a_schema_at_head_passes(database_url: str, auto: bool) -> None:
    assert await start(database_url, auto=auto) == OPEN


async def test_an_empty_database_is_migrated_only_if_enabled(empty_database_url: str) -> None:
    refused = await start(empty_database_url, auto=False)
    assert refused["type"] == "lifespan.startup.failed"
    wanted = migrations.head_revision()
    expected = (
        rf"Not started: database clone_\d+, schema public: revision none, expected {wanted} \(.*migrate.*\)"
    )
    assert re.fullmatch(expected, refused["message"])
    assert await start(empty_database_url, auto=True) == OPEN
    assert await start(empty_database_url, auto=False) == OPEN


@pytest.mark.parametrize("auto", [True, False])
async def test_a_schema_of_newer_code_is_refused(database_url: str, auto: bool) -> None:
    await set_revision(database_url, "29991231_2359")
    refused = await start(database_url, auto=auto)
    assert refused["type"] == "lifespan.startup.failed"
    assert "revision 29991231_2359" in refused["message"]
    assert "newer than this code" in refused["message"]


async def test_a_missing_database_is_reported(database_url: str) -> None:
    refused = await start(database_url.replace("@/clone", "@/none"), auto=True)
    assert refused["type"] == "lifespan.startup.failed"
    assert re.fullmatch(
        r'Not started: PostgreSQL rejects the login: database "none_\d+" does not exist', refused["message"]
    )


async def test_a_database_that_comes_up_late_is_waited_for(database_url: str) -> None:
    socket_file = unix_socket_of(database_url)
    with listen("127.0.0.1", 0) as reserved:
        port = reserved.getsockname()[1]
    late = re.sub(r"@/([^?]+)\?.*", rf"@127.0.0.1:{port}/\1", database_url)
    starting = asyncio.create_task(start(late, auto=True))
    await asyncio.sleep(1)
    assert not starting.done()

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65536):
            target.write(chunk)
        target.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(socket_file)
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    async with await asyncio.start_server(forward, "127.0.0.1", port):
        assert await starting == OPEN


def launch(
    tmp_path: Path, database_url: str, redis_url: str, *options: str, **more: str
) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": "a secret of tests, longer than 32 bytes",
        "ANISYNC_HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        **more,
    }
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", "0", *options]
    return subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)


def test_uvicorn_alone_refuses_with_one_line_and_a_code(
    tmp_path: Path, empty_database_url: str, redis_url: str
) -> None:
    server = launch(tmp_path, empty_database_url, redis_url, AUTO_MIGRATE="false")
    _, printed = server.communicate(timeout=60)
    assert server.returncode != 0
    assert "Traceback" not in printed
    assert len([line for line in printed.splitlines() if "Not started" in line]) == 1
    assert migrations.head_revision() in printed


def test_uvicorn_alone_migrates_and_serves(tmp_path: Path, empty_database_url: str, redis_url: str) -> None:
    with listen("127.0.0.1", 0) as reserved:
        port = reserved.getsockname()[1]
    server = launch(tmp_path, empty_database_url, redis_url, "--port", str(port))
    try:
        wait_until(lambda: answers(port), seconds=60)
        assert httpx.get(f"http://127.0.0.1:{port}/health").json()["status"] == "ok"
    finally:
        server.terminate()
        _, printed = server.communicate(timeout=30)
    assert "schema.ready" in printed


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/live").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.soak
def test_without_any_database_it_gives_up_within_a_minute(tmp_path: Path, redis_url: str) -> None:
    server = launch(tmp_path, "postgresql://a@127.0.0.1:9/a", redis_url)
    _, printed = server.communicate(timeout=60)
    assert server.returncode != 0
    assert "Traceback" not in printed
    assert "PostgreSQL is not reachable" in printed
