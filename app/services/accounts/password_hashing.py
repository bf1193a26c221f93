"""Password hashing and verification in threads, with bounded concurrency."""

import asyncio
import os
import sys
import threading
import unicodedata
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from passlib.context import CryptContext  # type: ignore[import-untyped]  # libpass ships no types
from passlib.utils import MAX_PASSWORD_SIZE  # type: ignore[import-untyped]

from app.errors import ServiceUnavailable

_ARGON2 = {"memory_cost": 19456, "time_cost": 2, "parallelism": 1}  # OWASP's minimum; 19 MiB per hash
_CONTEXT = CryptContext(
    schemes=["argon2", "bcrypt"],
    deprecated="auto",
    argon2__type="ID",
    **{f"argon2__{name}": value for name, value in _ARGON2.items()},
)
# Verified when there is no account, so that an unknown name takes the same time.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$jnHOuTfm/N+b09qbs7Y2xg$pSltBQbwJrL7kZYCKxJtyQcBs3DZLxumTshnD+SRWTY"
_BCRYPT_BYTES = 72  # bcrypt ignores everything beyond
_NICE = 5


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """``replacement`` is a new hash if the stored one uses an outdated algorithm or parameters."""

    matches: bool
    replacement: str | None = None


class PasswordHasher:
    """A few threads with a bounded queue; callers take a :meth:`slot` first."""

    def __init__(self, *, threads: int | None = None, most_waiting: int = 100) -> None:
        self._threads = threads or min(4, max(2, os.cpu_count() or 2))
        self._pool = ThreadPoolExecutor(self._threads, "hashing", initializer=_lower_priority)
        self._slots = asyncio.Semaphore(self._threads + 1)  # one more, so that no thread idles in between
        self._waiting = 0
        self._most_waiting = most_waiting

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot around ``hash`` and ``verify``; raises :class:`ServiceUnavailable` if too many wait."""
        if self._waiting >= self._most_waiting:
            raise ServiceUnavailable("Too many people are signing in right now.", retry_after=2)
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._pool, _hash, password)

    async def verify(self, password: str, stored: str | None) -> VerifyResult:
        """Verify a password; without a stored hash it never matches, but takes the same time."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, _verify, password, stored)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _hash(password: str) -> str:
    hashed: str = _CONTEXT.hash(_normal(password))
    return hashed


def _verify(password: str, stored: str | None) -> VerifyResult:
    if stored is None or not _can_match(password, stored):
        _CONTEXT.verify("", _NOBODY)  # takes the same time for any text
        return VerifyResult(matches=False)
    if stored.startswith("$argon2"):
        password = _normal(password)
    try:
        matches = _CONTEXT.verify(password, stored)
    except ValueError:  # the stored hash is malformed, so nothing matches it
        return VerifyResult(matches=False)
    return VerifyResult(matches, _hash(password) if matches and _CONTEXT.needs_update(stored) else None)


def _can_match(password: str, stored: str) -> bool:
    if len(password) > MAX_PASSWORD_SIZE:  # checked before normalising, which takes long for long texts
        return False
    if not stored.startswith("$2"):
        return stored.startswith("$argon2") and len(_normal(password)) <= MAX_PASSWORD_SIZE
    return len(password.encode()) <= _BCRYPT_BYTES and "\x00" not in password


def _normal(password: str) -> str:
    """Unicode-normalise, so that the same password matches on any keyboard or system."""
    return unicodedata.normalize("NFKC", password)


def _lower_priority() -> None:
    """Lower the priority of the thread, so that the event loop runs first.

    On Linux priorities are per thread.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
