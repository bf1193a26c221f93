"""Programs of our own that run beside each other: command lines, shared metrics, when one answers."""

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


def own_program(name: str, environment: Mapping[str, str], *arguments: str, fd: int | None = None) -> Program:
    """A command of our own command line; it inherits the open file ``fd``."""
    root = str(Path(__file__).parents[3])
    # -P keeps a package `app` of the working directory out
    command = [sys.executable, "-P", "-m", "app.cli", *arguments]
    return Program(name, command, {**environment, "PYTHONPATH": root}, pass_fds=() if fd is None else (fd,))


def keep_byte_code(folder: Path, *, unless_there_is_that_of: str) -> None:
    """Let Python keep what it compiles in ``folder`` where it is told not to beside the source.

    Programs that start together would otherwise each compile all they import, at every start. Nothing
    changes where the module of this name has byte code already, since then the others have it too.
    """
    found = importlib.util.find_spec(unless_there_is_that_of)
    if not sys.dont_write_bytecode or found is None or found.cached is None or Path(found.cached).exists():
        return
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(folder)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # for the programs that we start
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


@contextmanager
def meeting_place_of_metrics(folder: Path) -> Iterator[dict[str, str]]:
    """The variable that makes several processes count into one place, a fresh one."""
    for left in folder.glob("metrics-*"):
        if not is_alive(int(left.name.split("-")[1])):
            shutil.rmtree(left, ignore_errors=True)
    place = tempfile.mkdtemp(prefix=f"metrics-{os.getpid()}-", dir=folder)
    try:
        yield {_METRICS: place}
    finally:
        shutil.rmtree(place, ignore_errors=True)


def forget_metrics_of(pid: int, environment: Mapping[str, str]) -> None:
    """Drop what only a living process can mean, once it has ended."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid, environment[_METRICS])  # type: ignore[no-untyped-call]


def when_answering(url: str, then: Callable[[], None]) -> None:
    """Call ``then``, in a thread, once the URL answers; its socket is open and keeps the question."""

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


def stop_with_launcher(name: str) -> None:
    """Stop this process, gently, when its parent dies, if that is a program called ``name``.

    For launchers that stay around and pass signals on: killed, they can not.
    """
    parent = os.getppid()
    try:
        called = Path(f"/proc/{parent}/comm").read_text().strip()
    except OSError:
        return
    if called == name:
        end_with_parent(parent)
