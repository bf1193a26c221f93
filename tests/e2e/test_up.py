"""`anisync up`: start, stop and crash without leftovers or lost data."""

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app.utils.processes.parent_death import NOBODY
from tests.fixtures.processes import ROOT, processes_of, wait_until
from tests.fixtures.stacks import Stack

pytestmark = [pytest.mark.fault, pytest.mark.xdist_group("up")]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.clear()


def sql(stack: Stack, statement: str) -> Any:
    async def fetch() -> Any:
        connection = await asyncpg.connect(stack.database_url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def healthy(stack: Stack) -> bool:
    try:
        answer = httpx.get(f"{stack.url}/health", timeout=5)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200 and answer.json()["status"] == "ok"


def sign_in(stack: Stack, username: str, password: str) -> int:
    who = {"username": username, "password": password}
    return httpx.post(f"{stack.url}/auth/login", json=who, timeout=30).status_code


@pytest.mark.skipif(sys.platform == "win32", reason="the wheels have no servers for Windows")
def memory(stack: Stack) -> float:
    """The memory of all its processes in MiB; what several share counts once."""
    return sum(process.memory_full_info().pss for process in processes_of(stack.folder)) / 2**20


def test_first_start_ctrl_c_second_start_sigterm(stack: Stack) -> None:
    stack.run()
    assert httpx.get(f"{stack.url}/docs").status_code == 200
    assert healthy(stack)
    assert sign_in(stack, "demo", "demo1234") == 200
    assert (stack.home / "secret").stat().st_mode & 0o777 == 0o600
    secret = (stack.home / "secret").read_text()
    sql(stack, "create table kept as select 42 as answer")
    assert "  demo account: demo / demo1234" in stack.output
    assert "  catalogue: empty; fill it with `anisync catalog import FILE`" in stack.output
    assert "  allowed origins beside its own: http://localhost:*, http://127.0.0.1:*" in stack.output
    assert stack.end(signal.SIGINT) == 0
    assert "AniSync has stopped" in stack.output
    assert "Traceback" not in stack.output

    stack.run()
    assert healthy(stack)
    assert sql(stack, "select answer from kept") == 42
    assert (stack.home / "secret").read_text() == secret
    if sys.platform == "linux":
        assert memory(stack) < 350, "the programs do not share what they import"
    assert stack.end(signal.SIGTERM) == 0
    assert "Traceback" not in stack.output
    assert not list(stack.home.glob("metrics-*"))


def test_clients_that_hold_connections_do_not_delay_the_end_of_a_killed_parent(stack: Stack) -> None:
    stack.run()
    host, _, port = stack.url.removeprefix("http://").rpartition(":")
    with ExitStack() as sockets:
        for _ in range(20):  # half a request each, like a polling client that was cut off
            half = sockets.enter_context(socket.create_connection((host, int(port))))
            half.sendall(b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        started = time.monotonic()
        assert stack.end(signal.SIGKILL) == -signal.SIGKILL
        assert time.monotonic() - started < 10, "less than the time that a request has at an orderly stop"


def test_a_killed_parent_leaves_no_process_and_loses_nothing(stack: Stack) -> None:
    stack.run()
    sql(stack, "create table kept as select 42 as answer")
    assert stack.end(signal.SIGKILL) == -signal.SIGKILL
    assert processes_of(stack.folder) == []
    stack.run()
    assert healthy(stack)
    assert sql(stack, "select answer from kept") == 42
    stack.end(signal.SIGTERM)


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed")
@pytest.mark.soak
def test_a_killed_uv_run_leaves_no_process_either(stack: Stack) -> None:
    """``uv run`` stays alive as the parent process, and does not forward its own death."""
    stack.launcher = ["uv", "run", "--project", str(ROOT), "--no-sync", "--offline", "python"]
    stack.run()
    assert stack.end(signal.SIGKILL) == -signal.SIGKILL
    assert "AniSync has stopped" in stack.output


PARTS = {
    "API": ["app.cli", "api"],
    "worker": ["app.cli", "worker"],
    "scheduler": ["app.cli", "scheduler"],
    "PostgreSQL": ["bin/postgres", "-D"],
    "Valkey": ["valkey-server"],
}


def test_dead_parts_are_restarted_and_logged(stack: Stack) -> None:
    stack.run()
    before = {name: stack.pid_of(words) for name, words in PARTS.items()}
    assert None not in before.values()
    for name, pid in before.items():
        os.kill(pid or 0, signal.SIGKILL)
        wait_until(partial(lambda words, old: stack.pid_of(words) not in (None, old), PARTS[name], pid))
        logged = rf"{name} (had died|was killed by SIGKILL)"
        wait_until(partial(lambda line: re.search(line, stack.output), logged))
    wait_until(lambda: healthy(stack))
    assert stack.end(signal.SIGINT) == 0


def test_commands_work_beside_it_and_a_second_one_of_the_home_is_refused(stack: Stack) -> None:
    stack.run()
    doctor = stack.command("doctor")
    assert "ok    database: PostgreSQL 18" in doctor.stdout
    assert "ok    migrations" in doctor.stdout
    assert "ok    redis: Valkey 9" in doctor.stdout
    assert doctor.returncode == 0
    who = ("--username", "mio", "--email", "mio@example.org", "--password", "a long enough one")
    assert stack.command("users", "create", *who, "--admin").stdout == "created admin mio with id 2\n"
    assert sign_in(stack, "mio", "a long enough one") == 200
    second = stack.command("up", "--port", "0")
    assert second.returncode == 1
    assert second.stderr.startswith("anisync: AniSync is already running in ")
    assert second.stderr.count("\n") == 1
    assert healthy(stack)
    assert stack.end(signal.SIGTERM) == 0


@pytest.mark.soak
def test_two_homes_at_once_and_a_taken_port(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = Stack(tmp_path / "a"), Stack(tmp_path / "b")
    try:
        first.run()
        port = first.url.rpartition(":")[2]
        refused = second.command("up", "--port", port)
        assert refused.returncode == 1
        assert refused.stderr == (
            f"anisync: Port {port} on 127.0.0.1 is taken: choose another one with --port.\n"
        )
        second.run()
        assert healthy(first)
        assert healthy(second)
        assert first.url != second.url
        assert first.end(signal.SIGTERM) == 0
        assert healthy(second)
        assert second.end(signal.SIGTERM) == 0
    finally:
        first.clear()
        second.clear()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="who is not root is a normal user anyway")
def test_a_normal_user(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    stack = Stack(tmp_path, identity=NOBODY)
    try:
        stack.run()
        assert healthy(stack)
        assert (stack.home / "postgres").stat().st_uid == 65534
        assert stack.end(signal.SIGTERM) == 0
    finally:
        stack.clear()
