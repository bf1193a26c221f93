"""The embedded PostgreSQL: one cluster with one database, on a unix socket."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

from app.utils.processes.embedded.errors import EmbeddedError
from app.utils.processes.embedded.identity import adopt
from app.utils.processes.embedded.server import Server
from app.utils.processes.embedded.wheels import postgres_binary

DATABASE = "anisync"

_ROLE = "anisync"
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "dynamic_shared_memory_type": "mmap",  # /dev/shm is tiny in containers
}
_FAST_OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres(Server):
    name = "PostgreSQL"
    # fast shutdown, then immediate shutdown, which needs recovery at the next start
    stop_signals = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))

    def __init__(self, home: Path, run: Path, *, fast: bool, identity: str) -> None:
        super().__init__(home / "postgres", home / "logs" / "postgres.log", identity=identity)
        self.fast = fast
        self.run = run

    @staticmethod
    def url(run: Path) -> str:
        """The database URL of the server whose socket is in the folder ``run``."""
        return f"postgresql+asyncpg://{_ROLE}@/{DATABASE}?host={quote(str(run))}"

    @property
    def pid_file(self) -> Path:
        return self.folder / "postmaster.pid"

    def prepare(self) -> None:
        for leftover in self.folder.parent.glob(f"{self.folder.name}.init-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if not self.folder.exists():
            self._create()
        adopt(self.folder, self.identity)
        # This process owns the home and no server runs here, so a lock file is stale, and its process id may
        # have been reused.
        self.pid_file.unlink(missing_ok=True)
        for socket in self.run.glob(".s.PGSQL.5432*"):
            socket.unlink()

    def command(self) -> list[str]:
        options = _OPTIONS | {"unix_socket_directories": str(self.run)} | (_FAST_OPTIONS if self.fast else {})
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(postgres_binary("postgres")), "-D", str(self.folder), *settings]

    def is_ready(self, pid: int) -> bool:
        """Check the eighth line of the lock file, as pg_ctl does."""
        try:
            lines = self.pid_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _create(self) -> None:
        """Create the cluster under a temporary name, so that an incomplete one is never used."""
        draft = self.folder.with_name(f"{self.folder.name}.init-{os.getpid()}")
        self._run(
            [
                str(postgres_binary("initdb")), "-D", str(draft), "-U", _ROLE, "--auth=trust", "-E", "UTF8",
                # --locale=C would break lower(), ILIKE and trigrams beyond ASCII
                "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8",
                "--no-instructions", *(["--no-sync"] if self.fast else []),
            ]
        )  # fmt: skip
        single = [str(postgres_binary("postgres")), "--single", "-D", str(draft), "-c", "exit_on_error=on"]
        self._run([*single, *(["-F"] if self.fast else []), "postgres"], f"CREATE DATABASE {DATABASE};\n")
        draft.rename(self.folder)
        _sync(self.folder.parent)

    def _run(self, command: list[str], text: str = "") -> None:
        with self.spawn(command, stdin=subprocess.PIPE) as child:
            try:
                child.communicate(text.encode())
            except BaseException:
                child.kill()
                raise
        if child.returncode:
            raise EmbeddedError(f"{Path(command[0]).name} failed: {self.last_log_line()} (see {self.log})")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
