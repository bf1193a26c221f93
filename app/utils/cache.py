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
from app.utils.metrics import cache_lookups
from app.utils.redis.bus import Bus
from app.utils.redis.client import REDIS_FAULTS
from app.utils.redis.single_flight import SingleFlight

_log = logging.getLogger(__name__)

_REPEAT_AFTER = 1.0  # seconds until an invalidation is repeated, for entries read before and stored after it
MEMORY = "l1"  # the name of the level in the memory of the process
_NEGATIVE_TTL = 600.0  # seconds; the maximum TTL of a "not found"


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A cached response, fetched at ``fetched_at`` (Unix seconds).

    ``body`` is None if the source has no such item.
    """

    body: bytes | None
    fetched_at: float

    def encode(self) -> bytes:
        return b"%d %d\n%s" % (round(self.fetched_at * 1000), self.body is not None, self.body or b"")

    @classmethod
    def decode(cls, stored: bytes) -> "CacheEntry":
        head, _, body = stored.partition(b"\n")
        milliseconds, _, found = head.partition(b" ")
        return cls(body if found == b"1" else None, int(milliseconds) / 1000)


@dataclass(frozen=True, slots=True)
class CacheResult:
    """An entry and its origin: ``level`` is the name of the cache level, or None if it was just fetched."""

    entry: CacheEntry
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

    async def find(self, key: str) -> CacheEntry | None: ...

    async def store(self, key: str, entry: CacheEntry) -> None: ...

    async def drop(self, pattern: str) -> None: ...


class MemoryLevel:
    """In the memory of this process; beyond ``max_entries`` the least recently used are evicted first."""

    def __init__(self, name: str, *, ttl: float, max_entries: int = 5000) -> None:
        self.name = name
        self.ttl = ttl
        self._entries: LRUCache[str, CacheEntry] = LRUCache(max_entries)

    async def find(self, key: str) -> CacheEntry | None:
        return self._entries.get(key)

    def peek(self, key: str) -> CacheEntry | None:
        return self._entries.get(key)

    async def store(self, key: str, entry: CacheEntry) -> None:
        self._entries[key] = entry

    async def drop(self, pattern: str) -> None:
        self.remove(pattern)

    def remove(self, pattern: str) -> None:
        if pattern in self._entries:
            del self._entries[pattern]
        if "*" in pattern:
            matches = re.compile(translate(pattern)).match
            for key in [key for key in self._entries if matches(key)]:
                del self._entries[key]

    def __len__(self) -> int:
        return len(self._entries)


class RedisLevel:
    """In Redis, under keys that start with ``prefix``. Entries expire after ``retention`` seconds.

    Longer than the TTL, so that stale ones can still be served.
    """

    def __init__(
        self, name: str, redis: Redis, *, ttl: float, retention: float, prefix: str = "cache:"
    ) -> None:
        self.name = name
        self.ttl = ttl
        self._redis = redis
        self._retention = retention
        self._prefix = prefix

    async def find(self, key: str) -> CacheEntry | None:
        try:
            stored: Any = await self._redis.get(self._prefix + key)
        except REDIS_FAULTS:
            return None
        return None if stored is None else CacheEntry.decode(stored)

    async def store(self, key: str, entry: CacheEntry) -> None:
        try:
            await self._redis.set(self._prefix + key, entry.encode(), px=round(self._retention * 1000))
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
    ``max_wait`` is the maximum wait in seconds for the source if no entry is known; the fetch continues after
    that. ``on_hit_rate`` is called with a level's hit rate whenever it changes.
    """

    def __init__(
        self,
        namespace: str,
        levels: Sequence[Level],
        flights: SingleFlight,
        bus: Bus,
        *,
        max_wait: float = 3.5,
        on_hit_rate: Callable[[str, float], None] = lambda level, rate: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.namespace = namespace
        self._levels = levels
        self._flights = flights
        self._bus = bus
        self._max_wait = max_wait
        self._on_hit_rate = on_hit_rate
        self._now = now
        self._drops = 0
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lookups: dict[str, asyncio.Task[CacheResult]] = {}
        self._background: set[asyncio.Task[None]] = set()

    @property
    def topic(self) -> str:
        """The bus topic on which invalidations are published to other processes."""
        return f"cache.{self.namespace}"

    async def get_or_fetch(self, key: str, fetch: Fetch, *, row: Level | None = None) -> CacheResult:
        """Return the freshest entry of ``key``; ``row`` is an additional last level for this call.

        Raises what ``fetch`` raises, or ``TimeoutError``, if no level has an entry.
        """
        levels = [*self._levels, *([row] if row else [])]
        found = await self._lookup(key, levels[:1])
        if found is not None and not found.stale:
            return replace(found, expires_at=_expiry(levels, found.entry))
        lookup = self._lookups.get(key)
        if lookup is None:  # one lookup per key and process, however many callers miss at once
            lookup = asyncio.create_task(self._resolve(key, fetch, levels))
            self._lookups[key] = lookup
            lookup.add_done_callback(lambda done: self._on_done(key, done))
        await asyncio.wait({lookup})
        return lookup.result()

    def is_current(self, key: str, body: bytes) -> bool:
        """Whether a fresh entry in memory has this very object as its body; counts as a hit if so."""
        level = self._levels[0]
        entry = level.peek(key) if isinstance(level, MemoryLevel) else None
        if entry is None or entry.body is not body or self._now() >= entry.fetched_at + level.ttl:
            return False
        self._count(level, "hit")
        return True

    async def drop(self, pattern: str) -> None:
        """Invalidate a key, or a pattern with ``*``, in every level and every process.

        Raises :class:`ValueError` if it is outside the namespace.
        """
        if not pattern.startswith(f"{self.namespace}:"):
            raise ValueError(f"{pattern!r} is not inside {self.namespace}:*")
        await self._drop(pattern)
        self._track(start(self._drop_later(pattern), "second drop of a cache"))

    def on_message(self, message: bytes) -> None:
        """Remove from memory what another process invalidated."""
        self._drop_locally(message.decode())

    def on_gap(self) -> None:
        """Clear the memory level, because invalidations may have been missed."""
        self._drop_locally(f"{self.namespace}:*")

    @property
    def hit_rates(self) -> Mapping[str, float]:
        """The hit rate of each level since the process started, 0 to 1; stale entries count as misses."""
        return {level: self._rate(level) for level in {name for name, _ in self._counts}}

    async def close(self) -> None:
        """Cancel lookups and background tasks."""
        tasks = [*self._background, *self._lookups.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _resolve(self, key: str, fetch: Fetch, levels: Sequence[Level]) -> CacheResult:
        found = await self._lookup(key, levels, counted_from=1)
        if found is not None:
            if found.stale:
                self._refresh(key, fetch, levels)
            return found
        outcome = await self._flights.join(
            key, lambda: self._fetch(key, fetch, levels), seconds=self._max_wait
        )
        entry = CacheEntry.decode(outcome)
        return CacheResult(entry, None, stale=False, expires_at=_expiry(levels, entry))

    def _on_done(self, key: str, lookup: "asyncio.Task[CacheResult]") -> None:
        del self._lookups[key]
        if not lookup.cancelled():
            lookup.exception()  # mark as retrieved: the waiting callers have it, or there are none left

    async def _lookup(
        self, key: str, levels: Sequence[Level], *, counted_from: int = 0
    ) -> CacheResult | None:
        """The first fresh entry, otherwise the newest stale one.

        Only levels from ``counted_from`` count in the metrics.
        """
        newest: tuple[CacheEntry, Level] | None = None
        drops = self._drops
        for position, level in enumerate(levels):
            entry = await level.find(key)
            if entry is not None and self._now() < entry.fetched_at + _ttl(level, entry):
                if position >= counted_from:
                    self._count(level, "hit")
                if drops == self._drops:  # otherwise the entry may be what was just invalidated
                    await self._store(key, entry, levels[:position])
                return CacheResult(entry, level.name, stale=False, expires_at=_expiry(levels, entry))
            if position >= counted_from:
                self._count(level, "miss")
            if entry is not None and (newest is None or entry.fetched_at > newest[0].fetched_at):
                newest = entry, level
        if newest is None or newest[0].body is None:
            return None
        return CacheResult(newest[0], newest[1].name, stale=True, expires_at=_expiry(levels, newest[0]))

    async def _fetch(self, key: str, fetch: Fetch, levels: Sequence[Level]) -> bytes:
        known = await self._lookup(key, levels, counted_from=len(levels))  # another process may have it
        if known is not None and not known.stale:
            return known.entry.encode()
        drops, begun_at = self._drops, self._now()
        entry = CacheEntry(await fetch(), begun_at)
        if drops == self._drops:
            await self._store(key, entry, levels)
        return entry.encode()

    async def _store(self, key: str, entry: CacheEntry, levels: Sequence[Level]) -> None:
        for level in levels:
            if self._now() < entry.fetched_at + _ttl(level, entry):
                await level.store(key, entry)

    def _refresh(self, key: str, fetch: Fetch, levels: Sequence[Level]) -> None:
        if not self._flights.is_running(key):
            self._track(start(self._refresh_now(key, fetch, levels), "refresh of a cache"))

    async def _refresh_now(self, key: str, fetch: Fetch, levels: Sequence[Level]) -> None:
        try:
            await self._flights.join(key, lambda: self._fetch(key, fetch, levels), seconds=60)
        except Exception as error:  # noqa: BLE001  # the stale entry was served; the next lookup tries again
            _log.warning("cache.refresh_failed", extra={"key": key, "error": repr(error)[:200]})

    async def _drop(self, pattern: str) -> None:
        self._drop_locally(pattern)
        for level in self._levels:
            await level.drop(pattern)
        await self._bus.publish(self.topic, pattern.encode())

    async def _drop_later(self, pattern: str) -> None:
        await asyncio.sleep(_REPEAT_AFTER)
        await self._drop(pattern)

    def _drop_locally(self, pattern: str) -> None:
        self._drops += 1
        for level in self._levels:
            if isinstance(level, MemoryLevel):
                level.remove(pattern)

    def _count(self, level: Level, outcome: str) -> None:
        self._counts[level.name, outcome] += 1
        cache_lookups(self.namespace, level.name, outcome).inc()
        self._on_hit_rate(level.name, self._rate(level.name))

    def _rate(self, level: str) -> float:
        hits = self._counts[level, "hit"]
        return hits / max(1, hits + self._counts[level, "miss"])

    def _track(self, task: "asyncio.Task[None]") -> None:
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _ttl(level: Level, entry: CacheEntry) -> float:
    return level.ttl if entry.body is not None else min(level.ttl, _NEGATIVE_TTL)


def _expiry(levels: Sequence[Level], entry: CacheEntry) -> float:
    return entry.fetched_at + max(_ttl(level, entry) for level in levels)
