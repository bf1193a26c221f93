"""One server process: started so that it ends with us, waited for, stopped gently and then firmly."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from app.utils.processes.embedded.errors import EmbeddedError
from app.utils.processes.embedded.orphans import end_orphans
from app.utils.processes.parent_death import SAME, bound_to_parent

_READY_WITHIN = 120.0  # seconds; a recovery after a crash may have much to replay
_LOG_LIMIT = 5_000_000  # bytes; a longer log is put aside at the next start


class Server:
    """A subclass says how to prepare the folder, the command, and when the server is ready."""

    name: ClassVar[str]
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]]
    """What to send to stop it, and how many seconds to wait for the effect, in order."""

    def __init__(self, folder: Path, log: Path, *, identity: str = SAME) -> None:
        self.folder = folder
        self.log = log
        self.identity = identity
        self.child: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make the folder ready for a start; nothing runs on it."""
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    @property
    def pid_file(self) -> Path:
        """Where the server notes its process id."""
        raise NotImplementedError

    def is_ready(self, pid: int) -> bool:
        raise NotImplementedError

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def start(self) -> None:
        """Start it and return once it answers; raises :class:`EmbeddedError` with the end of its log."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("servers are tied to the thread that starts them: start them in the main one")
        end_orphans(self.folder, self.pid_file)
        self.prepare()
        self.child = self.spawn(self.command())
        deadline = time.monotonic() + _READY_WITHIN
        while not self.is_ready(self.child.pid):
            if self.child.poll() is not None:
                raise EmbeddedError(f"{self.name} did not start: {self.last_words()} (see {self.log})")
            if time.monotonic() > deadline:
                self.stop()
                raise EmbeddedError(
                    f"{self.name} was not ready within {_READY_WITHIN:.0f} s (see {self.log})"
                )
            time.sleep(0.01)

    def stop(self) -> None:
        if self.child is None:
            return
        for last_signal, patience in (*self.stop_signals, (signal.SIGKILL, 10.0)):
            if self.child.poll() is not None:
                break
            self.child.send_signal(last_signal)
            try:
                self.child.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        self.child = None

    def spawn(self, command: list[str], stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Run a program of the server under its identity, its output into the log."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as log:
            return subprocess.Popen(
                bound_to_parent(command, self.stop_signals[0][0], self.identity),
                stdin=stdin,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is ours to pass on
            )

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def _environment() -> dict[str, str]:
    """Ours without what would steer the programs: PGDATA, PGHOST and so on."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
