"""AniSync's own programs: command lines, shared metrics, readiness."""

import importlib.util
import os
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from app.utils.processes.parent_death import is_alive
from app.utils.processes.supervisor import Program, end_with_parent

_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_MALLOC_ARENAS = "2"  # glibc's default is 8 per core, which keeps 140 MB after large imports


def own_program(name: str, environment: Mapping[str, str], *arguments: str, fd: int | None = None) -> Program:
    """The program that runs ``anisync`` with ``arguments``; it inherits the file descriptor ``fd``."""
    root = str(Path(__file__).parents[3])
    # -P: a package `app` in the working directory must not shadow this one
    command = [sys.executable, "-P", "-m", "app.cli", *arguments]
    given = {"MALLOC_ARENA_MAX": _MALLOC_ARENAS, **environment, "PYTHONPATH": root}
    return Program(name, command, given, pass_fds=() if fd is None else (fd,))


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
def shared_metrics(folder: Path) -> Iterator[dict[str, str]]:
    """The environment variable with which several processes share metrics, in a new subfolder."""
    for leftover in folder.glob("metrics-*"):
        if not is_alive(int(leftover.name.split("-")[1])):
            shutil.rmtree(leftover, ignore_errors=True)
    shared = tempfile.mkdtemp(prefix=f"metrics-{os.getpid()}-", dir=folder)
    try:
        yield {_METRICS: shared}
    finally:
        shutil.rmtree(shared, ignore_errors=True)


def drop_live_metrics(pid: int, environment: Mapping[str, str]) -> None:
    """Drop the live gauges of a process that has ended."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid, environment[_METRICS])  # type: ignore[no-untyped-call]


def when_answering(url: str, then: Callable[[], None]) -> None:
    """Call ``then`` in a thread once the URL answers. Its socket must be listening already."""

    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask() -> None:
        while True:
            try:
                with direct.open(url, timeout=120):
                    break
            except OSError:
                time.sleep(0.2)
        then()

    threading.Thread(target=ask, name="when-answering", daemon=True).start()


def response_header(url: str, name: str) -> str | None:
    """A response header of a server on this machine; None if it is missing or the request fails."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=30) as answer:
            value: str | None = answer.headers.get(name)
            return value
    except OSError:
        return None


def stop_with_launcher(name: str) -> None:
    """Stop this process gracefully when its parent dies, if the parent is a program called ``name``.

    For launchers such as ``uv run``, which forward signals but cannot do so once they are killed.
    """
    parent = os.getppid()
    try:
        parent_name = Path(f"/proc/{parent}/comm").read_text().strip()
    except OSError:
        return
    if parent_name == name:
        end_with_parent(parent)
