"""The programs on configured servers: nothing embedded, several API processes."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from app.config import Settings
from app.utils.processes.parent_death import bound_to_parent
from tests.fixtures.processes import ROOT, processes_of, wait_until
from tests.fixtures.serving import free_port
from tests.fixtures.stacks import Stack

pytestmark = [pytest.mark.fault, pytest.mark.xdist_group("up")]


@pytest.fixture
def given(settings: Settings) -> dict[str, str]:
    return {
        "DATABASE_URL": settings.database,
        "REDIS_URL": settings.redis,
        "SECRET_KEY": settings.secret,
        "JIKAN_BASE_URL": settings.jikan_base_url,
    }


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_up_on_given_servers_starts_none(given: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    folder.mkdir()
    stack = Stack(folder, **given)
    try:
        stack.run()
        assert answers(stack.url)
        names = {process.name() for process in processes_of(folder)}
        assert not names & {"postgres", "valkey-server"}
        assert not (stack.home / "secret").exists()
        assert stack.end(signal.SIGTERM) == 0
    finally:
        stack.clear()


@pytest.fixture
def served(given: dict[str, str], tmp_path: Path) -> "Iterator[tuple[subprocess.Popen[bytes], int, Path]]":
    """`api --workers 2`, its port, and what it prints."""
    log = tmp_path / "api.log"
    environment = {**os.environ, **given, "PYTHONPATH": str(ROOT), "ANISYNC_HOME": str(tmp_path / "home")}
    port = free_port()
    with log.open("wb") as output:
        command = [sys.executable, "-m", "app.cli", "api", "--workers", "2", "--port", str(port)]
        api = subprocess.Popen(
            bound_to_parent(command, signal.SIGTERM),
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=output,
        )
    yield api, port, log
    api.kill()
    api.wait()
    wait_until(lambda: not processes_of(tmp_path / "home"))


def test_several_processes_share_the_port_and_are_replaced(
    served: "tuple[subprocess.Popen[bytes], int, Path]",
) -> None:
    api, port, log = served
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(url), seconds=60)
    wait_until(lambda: len(servers_of(api)) == 2)
    first = servers_of(api)[0]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: re.search(r"API \d was killed by SIGKILL", log.read_text()))
    assert answers(url)
    wait_until(lambda: len(servers_of(api)) == 2 and first not in servers_of(api))
    api.send_signal(signal.SIGTERM)
    assert api.wait(30) == 0
    assert not answers(url)


def servers_of(api: "subprocess.Popen[bytes]") -> list[int]:
    children = psutil.Process(api.pid).children()
    return [child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE]
