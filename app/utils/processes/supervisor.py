"""Keep a set of programs running: start again what ends, stop all of it in order; knows nothing of theirs."""

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.utils.processes.parent_death import bound_to_parent

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds before a program is started again
_STEADY_AFTER = 60.0  # seconds; whoever lived that long starts afresh
_LOOK_EVERY = 0.5  # seconds, for what no signal announces
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PARENT = "SUPERVISOR_PID"


@dataclass(frozen=True)
class Program:
    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    pass_fds: tuple[int, ...] = ()


@dataclass
class Pause:
    """How long to wait before the next try: doubled as long as tries fail soon."""

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
    running: subprocess.Popen[bytes] | None = None
    pause: Pause = field(default_factory=Pause)


class Supervisor:
    """Runs ``programs`` until it is told to stop; to be used in the main thread.

    ``tend`` is called every half second, to look after anything else; ``on_exit`` with the process id of
    each program that ended; ``on_stop`` before the programs are told to. They die with this process, even
    when it is killed.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        say: Callable[[str], None],
        tend: Callable[[], None] = lambda: None,
        on_exit: Callable[[int], None] = lambda _: None,
        on_stop: Callable[[], None] = lambda: None,
        stop_within: float = 20.0,
    ) -> None:
        self._children = [_Child(program) for program in programs]
        self._say = say
        self._tend = tend
        self._on_exit = on_exit
        self._on_stop = on_stop
        self._stop_within = stop_within

    def run(self) -> None:
        """Return once a signal asked to stop and every program has ended; a second signal hurries them."""
        with _signals() as wake:
            try:
                for child in self._children:
                    self._start(child)
                while not wake.stop_asked:
                    self._tend()
                    self._look_after_programs()
                    wake.wait(_LOOK_EVERY)
                self._say("stopping")
            finally:
                self._on_stop()
                self._stop_all(wake)

    def _start(self, child: _Child) -> None:
        child.pause.mark_start()
        child.running = subprocess.Popen(
            bound_to_parent(list(child.program.command), signal.SIGTERM),
            env={**child.program.env, _PARENT: str(os.getpid())},
            pass_fds=child.program.pass_fds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is ours to pass on
        )

    def _look_after_programs(self) -> None:
        for child in self._children:
            if child.running is not None and child.running.poll() is not None:
                self._on_exit(child.running.pid)
                ending = _ending(child.running.returncode)
                child.running = None
                pause = child.pause.begin()
                self._say(f"{child.program.name} {ending}; starting it again in {pause:g} s")
            if child.running is None and child.pause.over:
                self._start(child)

    def _stop_all(self, wake: "_Wake") -> None:
        alive = [each.running for each in reversed(self._children) if each.running is not None]
        for child in alive:
            child.terminate()
        wake.stop_asked = False
        deadline = time.monotonic() + self._stop_within
        while any(child.poll() is None for child in alive):
            if wake.stop_asked or time.monotonic() > deadline:
                for child in alive:
                    child.kill()
                break
            wake.wait(0.1)
        for child in alive:
            child.wait()


class _Wake:
    """Sleeps that a signal ends; the handlers only leave a mark."""

    def __init__(self, reader: int) -> None:
        self._reader = reader
        self.stop_asked = False

    def note(self, number: int, _: object) -> None:
        if number in _STOP_SIGNALS:
            self.stop_asked = True

    def wait(self, seconds: float) -> None:
        if select.select([self._reader], [], [], seconds)[0]:
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
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def end_with_supervisor(grace: float = 20.0) -> None:
    """In a program: make sure it ends ``grace`` seconds after its supervisor died, whatever it is doing."""
    parent = os.environ.get(_PARENT)
    if parent is not None:
        end_with_parent(int(parent), grace=grace)


def end_with_parent(parent: int, *, grace: float | None = None) -> None:
    """Ask this process to stop once ``parent`` is its parent no more, and ``grace`` seconds later end it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        if grace is not None:
            time.sleep(grace)
            os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
