"""A cache over several levels, with stale-while-revalidate, stale-if-error and one upstream call per key."""

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate
from typing import Any, Protocol

from cachetools import LRUCache
from redis.asyncio import Redis

from app.utils.background import start
from app.utils.metrics import CACHE_LOOKUPS
from app.utils.redis.bus import Bus
from app.utils.redis.client import REDIS_FAULTS
from app.utils.redis.single_flight import SingleFlight

_log = logging.getLogger(__name__)

_AGAIN = 1.0  # seconds until an invalidation is repeated, for entries read before and stored after it
_ABSENT_FOR = 600.0  # seconds; the maximum TTL of a "not found"


@dataclass(frozen=True, slots=True)
class Copy:
    """A cached response, fetched at ``fetched_at`` (Unix seconds).

    ``body`` is None if the source has no such item.
    """

    body: bytes | None
    fetched_at: float

    def encode(self) -> bytes:
        return b"%d %d\n%s" % (round(self.fetched_at * 1000), self.body is not None, self.body or b"")

    @classmethod
    def decode(cls, stored: bytes) -> "Copy":
        head, _, body = stored.partition(b"\n")
        milliseconds, _, found = head.partition(b" ")
        return cls(body if found == b"1" else None, int(milliseconds) / 1000)


@dataclass(frozen=True, slots=True)
class Found:
    """An entry and its origin: ``level`` is the name of the cache level, or None if it was just fetched."""

    copy: Copy
    level: str | None
    stale: bool
    expires_at: float


Fetch = Callable[[], Awaitable[bytes | None]]


class Level(Protocol):
    """A storage level; an entry is fresh there for ``ttl`` seconds after it was fetched.

    ``find`` may return a stale entry, which is served while the source is down. A level handles its own
    faults: it then finds or stores nothing.
    """

    @property
    def name(self) -> str: ...

    @property
    def ttl(self) -> float: ...

    async def find(self, key: str) -> Copy | None: ...

    async def keep(self, key: str, copy: Copy) -> None: ...

    async def drop(self, pattern: str) -> None: ...


class MemoryLevel:
    """In the memory of this process; at most ``most`` entries, the least recently used are evicted first."""

    def __init__(self, name: str, *, ttl: float, most: int = 5000) -> None:
        self.name = name
        self.ttl = ttl
        self._copies: LRUCache[str, Copy] = LRUCache(most)

    async def find(self, key: str) -> Copy | None:
        return self._copies.get(key)

    async def keep(self, key: str, copy: Copy) -> None:
        self._copies[key] = copy

    async def drop(self, pattern: str) -> None:
        self.forget(pattern)

    def forget(self, pattern: str) -> None:
        if pattern in self._copies:
            del self._copies[pattern]
        if "*" in pattern:
            matches = re.compile(translate(pattern)).match
            for key in [key for key in self._copies if matches(key)]:
                del self._copies[key]

    def __len__(self) -> int:
        return len(self._copies)


class RedisLevel:
    """In Redis, under keys that start with ``prefix``. Entries expire after ``kept`` seconds.

    Longer than the TTL, so that stale ones can still be served.
    """

    def __init__(self, name: str, redis: Redis, *, ttl: float, kept: float, prefix: str = "cache:") -> None:
        self.name = name
        self.ttl = ttl
        self._redis = redis
        self._kept = kept
        self._prefix = prefix

    async def find(self, key: str) -> Copy | None:
        try:
            stored: Any = await self._redis.get(self._prefix + key)
        except REDIS_FAULTS:
            return None
        return None if stored is None else Copy.decode(stored)

    async def keep(self, key: str, copy: Copy) -> None:
        try:
            await self._redis.set(self._prefix + key, copy.encode(), px=round(self._kept * 1000))
        except REDIS_FAULTS:
            return

    async def drop(self, pattern: str) -> None:
        try:
            if "*" not in pattern:
                await self._redis.delete(self._prefix + pattern)
                return
            async for key in self._redis.scan_iter(match=self._prefix + pattern, count=500):
                await self._redis.unlink(key)
        except REDIS_FAULTS:
            return


class Cache:
    """Looks an entry up level by level, fastest first, and calls the source if no level has a fresh one.

    A hit is copied to the faster levels for the rest of their TTL. A stale entry is served while one
    background refresh runs, and for as long as the source fails. All keys start with ``namespace``.
    ``patience`` is the maximum wait in seconds for the source if no entry is known; the fetch continues after
    that. ``note_rate`` is called with a level's hit rate whenever it changes.
    """

    def __init__(
        self,
        namespace: str,
        levels: Sequence[Level],
        flights: SingleFlight,
        bus: Bus,
        *,
        patience: float = 3.5,
        note_rate: Callable[[str, float], None] = lambda level, rate: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.namespace = namespace
        self._levels = levels
        self._flights = flights
        self._bus = bus
        self._patience = patience
        self._note_rate = note_rate
        self._now = now
        self._drops = 0
        self._looks: Counter[tuple[str, str]] = Counter()
        self._searches: dict[str, asyncio.Task[Found]] = {}
        self._background: set[asyncio.Task[None]] = set()

    @property
    def topic(self) -> str:
        """The bus topic on which invalidations are published to other processes."""
        return f"cache.{self.namespace}"

    async def get_or_fetch(self, key: str, fetch: Fetch, *, row: Level | None = None) -> Found:
        """Return the freshest entry of ``key``; ``row`` is an additional last level for this call.

        Raises what ``fetch`` raises, or ``TimeoutError``, if no level has an entry.
        """
        levels = [*self._levels, *([row] if row else [])]
        found = await self._look(key, levels[:1])
        if found is not None and not found.stale:
            return replace(found, expires_at=_expiry(levels, found.copy))
        search = self._searches.get(key)
        if search is None:  # one lookup per key and process, however many callers miss at once
            search = asyncio.create_task(self._search(key, fetch, levels))
            self._searches[key] = search
            search.add_done_callback(lambda done: self._end(key, done))
        await asyncio.wait({search})
        return search.result()

    async def drop(self, pattern: str) -> None:
        """Invalidate a key, or a pattern with ``*``, in every level and every process.

        Raises :class:`ValueError` if it is outside the namespace.
        """
        if not pattern.startswith(f"{self.namespace}:"):
            raise ValueError(f"{pattern!r} is not inside of {self.namespace}:*")
        await self._drop(pattern)
        self._keep_task(start(self._drop_again(pattern), "second drop of a cache"))

    def hear(self, message: bytes) -> None:
        """Remove from memory what another process invalidated."""
        self._forget_here(message.decode())

    def miss(self) -> None:
        """Clear the memory level, because invalidations may have been missed."""
        self._forget_here(f"{self.namespace}:*")

    @property
    def figures(self) -> Mapping[str, float]:
        """The hit rate of each level since the process started, 0 to 1; stale entries count as misses."""
        return {level: self._rate(level) for level in {name for name, _ in self._looks}}

    async def close(self) -> None:
        """Cancel lookups and background tasks."""
        tasks = [*self._background, *self._searches.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _search(self, key: str, fetch: Fetch, levels: Sequence[Level]) -> Found:
        found = await self._look(key, levels, counted_from=1)
        if found is not None:
            if found.stale:
                self._refresh(key, fetch, levels)
            return found
        outcome = await self._flights.join(
            key, lambda: self._fetch(key, fetch, levels), seconds=self._patience
        )
        copy = Copy.decode(outcome)
        return Found(copy, None, stale=False, expires_at=_expiry(levels, copy))

    def _end(self, key: str, search: "asyncio.Task[Found]") -> None:
        del self._searches[key]
        if not search.cancelled():
            search.exception()  # mark as retrieved: the waiting callers have it, or there are none left

    async def _look(self, key: str, levels: Sequence[Level], *, counted_from: int = 0) -> Found | None:
        """The first fresh entry, otherwise the newest stale one.

        Only levels from ``counted_from`` count in the metrics.
        """
        newest: tuple[Copy, Level] | None = None
        drops = self._drops
        for position, level in enumerate(levels):
            copy = await level.find(key)
            if copy is not None and self._now() < copy.fetched_at + _ttl(level, copy):
                if position >= counted_from:
                    self._count(level, "hit")
                if drops == self._drops:  # otherwise the entry may be what was just invalidated
                    await self._keep(key, copy, levels[:position])
                return Found(copy, level.name, stale=False, expires_at=_expiry(levels, copy))
            if position >= counted_from:
                self._count(level, "miss")
            if copy is not None and (newest is None or copy.fetched_at > newest[0].fetched_at):
                newest = copy, level
        if newest is None or newest[0].body is None:
            return None
        return Found(newest[0], newest[1].name, stale=True, expires_at=_expiry(levels, newest[0]))

    async def _fetch(self, key: str, fetch: Fetch, levels: Sequence[Level]) -> bytes:
        known = await self._look(key, levels, counted_from=len(levels))  # another process may have it
        if known is not None and not known.stale:
            return known.copy.encode()
        drops, begun_at = self._drops, self._now()
        copy = Copy(await fetch(), begun_at)
        if drops == self._drops:
            await self._keep(key, copy, levels)
        return copy.encode()

    async def _keep(self, key: str, copy: Copy, levels: Sequence[Level]) -> None:
        for level in levels:
            if self._now() < copy.fetched_at + _ttl(level, copy):
                await level.keep(key, copy)

    def _refresh(self, key: str, fetch: Fetch, levels: Sequence[Level]) -> None:
        if not self._flights.under_way(key):
            self._keep_task(start(self._refresh_now(key, fetch, levels), "refresh of a cache"))

    async def _refresh_now(self, key: str, fetch: Fetch, levels: Sequence[Level]) -> None:
        try:
            await self._flights.join(key, lambda: self._fetch(key, fetch, levels), seconds=60)
        except Exception as error:  # noqa: BLE001  # the stale copy was answered; the next look tries again
            _log.warning("cache.refresh_failed", extra={"key": key, "error": repr(error)[:200]})

    async def _drop(self, pattern: str) -> None:
        self._forget_here(pattern)
        for level in self._levels:
            await level.drop(pattern)
        await self._bus.publish(self.topic, pattern.encode())

    async def _drop_again(self, pattern: str) -> None:
        await asyncio.sleep(_AGAIN)
        await self._drop(pattern)

    def _forget_here(self, pattern: str) -> None:
        self._drops += 1
        for level in self._levels:
            if isinstance(level, MemoryLevel):
                level.forget(pattern)

    def _count(self, level: Level, outcome: str) -> None:
        self._looks[level.name, outcome] += 1
        CACHE_LOOKUPS.labels(self.namespace, level.name, outcome).inc()
        self._note_rate(level.name, self._rate(level.name))

    def _rate(self, level: str) -> float:
        hits = self._looks[level, "hit"]
        return hits / max(1, hits + self._looks[level, "miss"])

    def _keep_task(self, task: "asyncio.Task[None]") -> None:
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _ttl(level: Level, copy: Copy) -> float:
    return level.ttl if copy.body is not None else min(level.ttl, _ABSENT_FOR)


def _expiry(levels: Sequence[Level], copy: Copy) -> float:
    return copy.fetched_at + max(_ttl(level, copy) for level in levels)
