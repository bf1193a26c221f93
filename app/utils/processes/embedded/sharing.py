"""Who owns the servers of a home, and how others find them."""

import fcntl
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Hold the lock on a file for as long as this lasts; False where somebody else holds it."""
    descriptor = try_lock(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def try_lock(path: Path) -> int | None:
    """Lock a file until the descriptor is closed, at the latest by the kernel when we die."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


class Ownership:
    """A lock that the kernel lets go when its holder dies, and a note of which servers are up."""

    def __init__(self, home: Path) -> None:
        self._lock = home / "lock"
        self._note = home / "servers.json"
        self._held: int | None = None

    @property
    def held(self) -> bool:
        return self._held is not None

    def acquire(self) -> bool:
        if self._held is not None:
            return True
        self._held = try_lock(self._lock)
        if self._held is None:
            return False
        self._note.unlink(missing_ok=True)
        return True

    def announce(self, servers: Collection[str]) -> None:
        draft = self._note.with_suffix(".draft")
        draft.write_text(json.dumps({"pid": os.getpid(), "servers": sorted(servers)}))
        draft.replace(self._note)

    def announced(self) -> set[str] | None:
        """The servers that the owner has up, or ``None`` while it is starting them."""
        try:
            return set(json.loads(self._note.read_text())["servers"])
        except FileNotFoundError:
            return None

    def release(self) -> None:
        if self._held is None:
            return
        self._note.unlink(missing_ok=True)
        os.close(self._held)
        self._held = None
