"""Ownership of a home folder's servers, and how other processes find them."""

import fcntl
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Hold the lock on a file for the duration of the block; False if another process holds it."""
    descriptor = try_lock(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def try_lock(path: Path) -> int | None:
    """Lock a file until the returned descriptor is closed, or this process dies; None if it is locked."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


class Ownership:
    """A lock that the kernel releases when its holder dies, and a file that lists the running servers."""

    def __init__(self, home: Path) -> None:
        self._lock = home / "lock"
        self._note = home / "servers.json"
        self._held: int | None = None  # the descriptor of the locked file

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
        """The servers that the owner runs, or ``None`` while it is starting them."""
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
