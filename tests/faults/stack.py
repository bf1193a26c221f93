"""Workers, schedulers and a Valkey as real processes, to be killed, frozen and disconnected."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from app.utils.processes.embedded.valkey import Valkey
from app.utils.processes.parent_death import bound_to_parent

_ROOT = Path(__file__).parents[2]
_SECRET = "a secret of tests, longer than 32 bytes"


class Program:
    """One process of ours and what it wrote."""

    def __init__(self, module: str, *arguments: str, env: dict[str, str], log: Path) -> None:
        self.log_file = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                bound_to_parent([sys.executable, "-m", module, *arguments], signal.SIGKILL),
                cwd=_ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        self.process.terminate()

    async def exit_code(self, *, seconds: float = 60) -> int:
        return await asyncio.to_thread(self.process.wait, seconds)

    def cpu_seconds(self) -> float:
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system

    def lines(self) -> list[dict[str, Any]]:
        """Its log, one object per line; a line that is not JSON is an object with the key ``text``."""
        return [_read(line) for line in self.log_file.read_text().splitlines()]

    def events(self) -> list[str]:
        return [str(line.get("event", line.get("text"))) for line in self.lines()]

    async def until_logged(self, event: str, *, times: int = 1, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while True:
                if self.events().count(event) >= times:
                    return
                assert self.alive, self.log_file.read_text()
                await asyncio.sleep(0.05)


class Stack:
    """Everything that one test starts; it all ends with the test."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._folder = folder
        self._started: list[Program] = []
        self._socket_folder = tempfile.TemporaryDirectory(prefix="stack-")
        (folder / "logs").mkdir()
        self.valkey = Valkey(folder, Path(self._socket_folder.name), fast=True)
        self.redis_url = Valkey.url(Path(self._socket_folder.name))
        self.env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "DATABASE_URL": database_url,
            "REDIS_URL": self.redis_url,
            "SECRET_KEY": _SECRET,
            "ANISYNC_HOME": str(folder),
            "AUTO_MIGRATE": "false",
            "JIKAN_BASE_URL": "http://127.0.0.1:9/v4",
        }

    def start_valkey(self) -> None:
        """Without persistence: it starts empty."""
        self.valkey.start()

    def kill_valkey(self) -> None:
        assert self.valkey.child is not None
        self.valkey.child.kill()
        self.valkey.child.wait()

    def freeze_valkey(self) -> None:
        assert self.valkey.child is not None
        self.valkey.child.send_signal(signal.SIGSTOP)

    def thaw_valkey(self) -> None:
        assert self.valkey.child is not None
        self.valkey.child.send_signal(signal.SIGCONT)

    def start(self, module: str, *arguments: str, **env: str) -> Program:
        log = self._folder / "logs" / f"{len(self._started)}-{module}.log"
        program = Program(module, *arguments, env=self.env | env, log=log)
        self._started.append(program)
        return program

    def worker(self) -> Program:
        """A worker with the tests' jobs and short intervals."""
        return self.start("tests.faults.programs", "worker")

    def scheduler(self) -> Program:
        return self.start("tests.faults.programs", "scheduler")

    def close(self) -> None:
        for program in self._started:
            if program.alive:
                program.thaw()
                program.kill()
        if self.valkey.running:
            self.thaw_valkey()
        self.valkey.stop()
        self._socket_folder.cleanup()


def running_stack(folder: Path, database_url: str) -> Iterator[Stack]:
    stack = Stack(folder, database_url)
    try:
        stack.start_valkey()
        yield stack
    finally:
        stack.close()


def _read(line: str) -> dict[str, Any]:
    with suppress(ValueError):
        read = json.loads(line)
        if isinstance(read, dict):
            return read
    return {"text": line}


class UnixProxy:
    """A proxy in front of a server's unix socket; ``cut`` simulates an outage, ``heal`` ends it."""

    def __init__(self, target: Path, at: Path) -> None:
        self._target, self._at = str(target), str(at)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()

    async def heal(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._at)
        self._server = await asyncio.start_unix_server(self._accept, self._at)

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for link in list(self._links):
            link.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(self._target)
        self._links |= {writer, there_writer}
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        self._links -= {writer, there_writer}


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(65536):
            target.write(chunk)
            await target.drain()
    target.close()
