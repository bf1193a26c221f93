"""A server process that is bound to this one: started, waited for until ready, stopped."""

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

_START_TIMEOUT = 120.0  # seconds; crash recovery may have much to replay
_LOG_LIMIT = 5_000_000  # bytes; a longer log is rotated at the next start


class Server:
    """Base class; a subclass prepares the data folder, builds the command and tells when it is ready."""

    name: ClassVar[str]
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]]
    """The signals that stop it, in order, each with the seconds to wait for the exit."""

    def __init__(self, folder: Path, log: Path, *, identity: str = SAME) -> None:
        self.folder = folder
        self.log = log
        self.identity = identity
        self.child: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Prepare the folder for a start; no server runs in it."""
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    @property
    def pid_file(self) -> Path:
        """Where the server writes its process id."""
        raise NotImplementedError

    def is_ready(self, pid: int) -> bool:
        raise NotImplementedError

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def start(self) -> None:
        """Start the server and wait until it is ready; :class:`EmbeddedError` quotes the end of its log."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the server without waiting."""
        # The kernel ties them to the thread: PR_SET_PDEATHSIG fires when the *thread* that forked ends.
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("servers die with the thread that starts them: start them in the main thread")
        end_orphans(self.folder, self.pid_file)
        self.prepare()
        self.child = self.spawn(self.command())

    def wait_until_ready(self) -> None:
        """Wait for the server that was launched; :class:`EmbeddedError` quotes the end of its log."""
        assert self.child is not None
        deadline = time.monotonic() + _START_TIMEOUT
        while not self.is_ready(self.child.pid):
            if self.child.poll() is not None:
                raise EmbeddedError(f"{self.name} did not start: {self.last_log_line()} (see {self.log})")
            if time.monotonic() > deadline:
                self.stop()
                raise EmbeddedError(
                    f"{self.name} was not ready within {_START_TIMEOUT:.0f} s (see {self.log})"
                )
            time.sleep(0.01)

    def stop(self) -> None:
        if self.child is None:
            return
        for last_signal, timeout in (*self.stop_signals, (signal.SIGKILL, 10.0)):
            if self.child.poll() is not None:
                break
            self.child.send_signal(last_signal)
            try:
                self.child.wait(timeout)
            except subprocess.TimeoutExpired:
                continue
        self.child = None

    def spawn(self, command: list[str], stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Run a program of the server under its identity, with output to the log."""
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
                start_new_session=True,  # Ctrl-C must reach this process only, which stops the server
            )

    def last_log_line(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"


def _environment() -> dict[str, str]:
    """The environment without PGDATA, PGHOST and the like, which would change what the programs do."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
