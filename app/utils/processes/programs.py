"""AniSync's own programs: command lines, shared metrics, readiness."""

import importlib.util
import os
import select
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from app.utils.processes.parent_death import is_alive
from app.utils.processes.supervisor import Program

_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_MALLOC_ARENAS = "2"  # glibc's default is 8 per core, which keeps 140 MB after large imports


def own_program(
    name: str,
    environment: Mapping[str, str],
    *arguments: str,
    main: Callable[[Sequence[str]], None],
    fd: int | None = None,
) -> Program:
    """The program that runs ``anisync``, whose entry point is ``main``; it inherits the file ``fd``."""
    root = str(Path(__file__).parents[3])
    # -P: a package `app` in the working directory must not shadow this one
    command = [sys.executable, "-P", "-m", "app.cli", *arguments]
    given = {"MALLOC_ARENA_MAX": _MALLOC_ARENAS, **environment, "PYTHONPATH": root}
    fds = () if fd is None else (fd,)
    return Program(name, command, given, pass_fds=fds, main=partial(main, arguments))


def cache_bytecode(folder: Path, *, unless_compiled: str) -> None:
    """Cache bytecode in ``folder`` where PYTHONDONTWRITEBYTECODE forbids it next to the source.

    Otherwise programs that start together would each compile everything they import, on every start. Does
    nothing if the module ``unless_compiled`` already has bytecode, because then all modules have.
    """
    found = importlib.util.find_spec(unless_compiled)
    if not sys.dont_write_bytecode or found is None or found.cached is None or Path(found.cached).exists():
        return
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(folder)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # for child processes
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


@contextmanager
def shared_metrics(folder: Path) -> Iterator[None]:
    """Share metrics between this process and its programs in a new subfolder.

    To be entered before the library of the metrics is imported, which reads the environment only once.
    """
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    for leftover in folder.glob("metrics-*"):
        if not is_alive(int(leftover.name.split("-")[1])):
            shutil.rmtree(leftover, ignore_errors=True)
    shared = tempfile.mkdtemp(prefix=f"metrics-{os.getpid()}-", dir=folder)
    os.environ[_METRICS] = shared
    try:
        yield
    finally:
        shutil.rmtree(shared, ignore_errors=True)


def drop_live_metrics(pid: int) -> None:
    """Drop the live gauges of a process that has ended."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid, os.environ[_METRICS])  # type: ignore[no-untyped-call]


class FirstAnswer:
    """Asks a server whose socket listens already, and calls ``then`` once with its answer.

    To be called when one of the ``inputs`` can be read, and every now and then. It runs in no thread, because
    the locks that a thread holds stay locked in forked programs.
    """

    def __init__(self, listener: socket.socket, path: str, then: Callable[[HTTPResponse], None]) -> None:
        host, self._port = listener.getsockname()[:2]
        self._host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        self._path = path
        self._then: Callable[[HTTPResponse], None] | None = then
        self.inputs: list[socket.socket] = []

    def __call__(self) -> None:
        if self._then is None:
            return
        with suppress(OSError, HTTPException):  # the server ended: ask the next one
            if not self.inputs:
                self.inputs.append(self._ask())
            elif select.select(self.inputs, [], [], 0)[0]:
                with self.inputs.pop() as link, HTTPResponse(link) as answer:
                    answer.begin()
                    then, self._then = self._then, None
                    then(answer)

    def _ask(self) -> socket.socket:
        link = socket.create_connection((self._host, self._port), timeout=5)
        link.sendall(f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\nConnection: close\r\n\r\n".encode())
        return link


def launched_by(name: str) -> Callable[[], bool]:
    """Whether this process was started by a program called ``name`` that has died since.

    For launchers such as ``uv run``, which forward signals but cannot do so once they are killed.
    """
    parent = os.getppid()
    try:
        is_launcher = Path(f"/proc/{parent}/comm").read_text().strip() == name
    except OSError:
        is_launcher = False
    return lambda: is_launcher and os.getppid() != parent
