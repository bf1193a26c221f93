"""A generic process supervisor: restarts programs that end, stops all of them in order."""

import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.utils.processes.forking import CAN_FORK, ForkedChild
from app.utils.processes.parent_death import bound_to_parent

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds before a restart
_STEADY_AFTER = 60.0  # seconds of uptime after which the pause is reset
_POLL_INTERVAL = 1.0  # seconds, for events without a signal
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PARENT = "SUPERVISOR_PID"


@dataclass(frozen=True)
class Program:
    """A command; where forking is possible and ``main`` is given, that runs in a forked process instead."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    pass_fds: tuple[int, ...] = ()
    main: Callable[[], None] | None = None


@dataclass
class RestartBackoff:
    """The pause before a restart in seconds, doubled while restarts fail early."""

    length: float = _FIRST_PAUSE
    until: float = 0.0
    started_at: float = 0.0

    def mark_start(self) -> None:
        self.started_at = time.monotonic()

    def begin(self) -> float:
        now = time.monotonic()
        if now - self.started_at > _STEADY_AFTER:
            self.length = _FIRST_PAUSE
        length, self.length = self.length, min(self.length * 2, _LONGEST_PAUSE)
        self.until = now + length
        return length

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.until


@dataclass
class _Child:
    program: Program
    running: ForkedChild | subprocess.Popen[bytes] | None = None
    backoff: RestartBackoff = field(default_factory=RestartBackoff)


class Supervisor:
    """Runs ``programs`` until a stop signal arrives; must be used in the main thread.

    ``on_tick`` is called every second and when one of the ``inputs``, which may change, has something to
    read; ``on_exit`` with the process id of each program that ended; ``on_stop`` before the programs are
    stopped. The programs die with this process, even if it is killed.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        log: Callable[[str], None],
        on_tick: Callable[[], None] = lambda: None,
        on_exit: Callable[[int], None] = lambda _: None,
        on_stop: Callable[[], None] = lambda: None,
        inputs: Collection[socket.socket] = (),
        stop_timeout: float = 20.0,
    ) -> None:
        self._children = [_Child(program) for program in programs]
        self._log = log
        self._on_tick = on_tick
        self._on_exit = on_exit
        self._on_stop = on_stop
        self._inputs = inputs
        self._stop_timeout = stop_timeout

    def run(self) -> None:
        """Return after a stop signal, when every program has ended; a second signal kills them."""
        with _signals() as wake:
            try:
                for child in self._children:
                    self._start(child)
                while not wake.stop_requested:
                    self._on_tick()
                    self._restart_programs()
                    all_run = all(child.running is not None for child in self._children)
                    wake.wait(_POLL_INTERVAL if all_run else _FIRST_PAUSE, self._inputs)
                self._log("stopping")
            finally:
                self._on_stop()
                self._stop_all(wake)

    def _start(self, child: _Child) -> None:
        child.backoff.mark_start()
        child.running = _start(child.program)

    def _restart_programs(self) -> None:
        for child in self._children:
            if child.running is not None and (code := child.running.poll()) is not None:
                self._on_exit(child.running.pid)
                ending = _ending(code)
                child.running = None
                pause = child.backoff.begin()
                self._log(f"{child.program.name} {ending}; restarting in {pause:g} s")
            if child.running is None and child.backoff.over:
                self._start(child)

    def _stop_all(self, wake: "_Wake") -> None:
        alive = [each.running for each in reversed(self._children) if each.running is not None]
        for child in alive:
            child.terminate()
        wake.stop_requested = False
        deadline = time.monotonic() + self._stop_timeout
        while any(child.poll() is None for child in alive):
            if wake.stop_requested or time.monotonic() > deadline:
                for child in alive:
                    child.kill()
                break
            wake.wait(0.1)
        for child in alive:
            child.wait()


def _start(program: Program) -> "ForkedChild | subprocess.Popen[bytes]":
    env = {**program.env, _PARENT: str(os.getpid())}
    if program.main is not None and CAN_FORK:
        title = " ".join(program.command)
        return ForkedChild(program.main, title=title, env=env, keep_fds=program.pass_fds)
    return subprocess.Popen(
        bound_to_parent(list(program.command), signal.SIGTERM),
        env=env,
        pass_fds=program.pass_fds,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C must reach the supervisor only, which stops them in order
    )


class _Wake:
    """A sleep that signals interrupt; the handlers only set a flag."""

    def __init__(self, reader: int) -> None:
        self._reader = reader
        self.stop_requested = False

    def note(self, number: int, _: object) -> None:
        if number in _STOP_SIGNALS:
            self.stop_requested = True

    def wait(self, seconds: float, inputs: Collection[socket.socket] = ()) -> None:
        waited: list[int | socket.socket] = [self._reader, *inputs]
        if self._reader in select.select(waited, [], [], seconds)[0]:
            os.read(self._reader, 4096)


@contextmanager
def _signals() -> Iterator[_Wake]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    wake = _Wake(reader)
    earlier_writer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    earlier = {number: signal.signal(number, wake.note) for number in (*_STOP_SIGNALS, signal.SIGCHLD)}
    try:
        yield wake
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(earlier_writer)
        os.close(reader)
        os.close(writer)


def _ending(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with code {code}"


def end_with_supervisor(grace: float = 1.5) -> None:
    """In a program: stop when its supervisor dies, and exit hard ``grace`` seconds later.

    Not later, because clients with open connections could hold up an orderly stop, and the port with it.
    """
    parent = os.environ.get(_PARENT)
    if parent is not None:
        end_with_parent(int(parent), grace=grace)


def end_with_parent(parent: int, *, grace: float | None = None) -> None:
    """Once ``parent`` is gone, send this process SIGTERM, and ``grace`` seconds later exit hard."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        if grace is not None:
            time.sleep(grace)
            os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
