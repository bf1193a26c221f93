"""Negative cache: MyAnimeList ids without a title, remembered for a while in Redis and in memory."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from cachetools import TLRUCache
from redis.asyncio import Redis

from app.errors import NotFound
from app.services.catalogue.staleness import ABSENT_FOR, jittered
from app.utils.redis.client import REDIS_FAULTS

_PREFIX = "cache:absent:mal:"
_MOST_LOCAL = 20_000  # ids in memory, for the time without Redis; the least recently used are evicted first


class NegativeCache:
    """For definite "not found" answers of MyAnimeList only, never for a failed request.

    Without Redis each process knows what it noted itself. ``clock`` is in seconds. It does not stand on
    ``app.utils.cache``, since it fetches nothing: syncs and lookups note what they happen to learn.
    """

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._local: TLRUCache[int, float] = TLRUCache(
            _MOST_LOCAL, ttu=lambda _, seconds, now: now + seconds, timer=clock
        )

    async def check(self, mal_id: int) -> None:
        """Raise :class:`NotFound` if MyAnimeList recently had no title with this id."""
        if await self._known(mal_id):
            raise _absent(mal_id)

    async def note(self, mal_id: int, ttl: timedelta = ABSENT_FOR) -> NotFound:
        """Remember for about ``ttl`` that there is no title with this id; returns the error to raise."""
        ttl = jittered(ttl)
        self._local[mal_id] = ttl.total_seconds()
        with suppress(*REDIS_FAULTS):
            await self._redis.set(f"{_PREFIX}{mal_id}", b"1", px=ttl)
        return _absent(mal_id)

    async def forget(self, mal_id: int) -> None:
        """Forget the id, which has a title after all."""
        self._local.pop(mal_id, None)
        with suppress(*REDIS_FAULTS):
            await self._redis.delete(f"{_PREFIX}{mal_id}")

    async def _known(self, mal_id: int) -> bool:
        if mal_id in self._local:
            return True
        try:
            return bool(await self._redis.exists(f"{_PREFIX}{mal_id}"))
        except REDIS_FAULTS:
            return False


def _absent(mal_id: int) -> NotFound:
    return NotFound(f"MyAnimeList has no anime {mal_id}.")
