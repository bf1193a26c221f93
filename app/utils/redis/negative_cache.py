"""Remember for a while which keys do not exist upstream: in Redis, and in memory as a fallback."""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from redis.asyncio import Redis

from app.utils.redis.client import REDIS_FAULTS

_MOST_LOCAL = 20_000  # keys in memory; the oldest are evicted first


class NegativeCache:
    """For definite "not found" answers of an upstream only, never for a failed request."""

    def __init__(self, redis: Redis, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._prefix = f"cache:absent:{name}:"
        self._clock = clock
        self._local: OrderedDict[str, float] = OrderedDict()

    async def note(self, key: str, ttl: timedelta) -> None:
        self._keep(key, ttl.total_seconds())
        try:
            await self._redis.set(self._prefix + key, b"1", px=ttl)
        except REDIS_FAULTS:
            return

    async def known(self, key: str) -> bool:
        until = self._local.get(key)
        if until is not None and until > self._clock():
            return True
        try:
            return bool(await self._redis.exists(self._prefix + key))
        except REDIS_FAULTS:
            return False

    async def forget(self, key: str) -> None:
        self._local.pop(key, None)
        try:
            await self._redis.delete(self._prefix + key)
        except REDIS_FAULTS:
            return

    def _keep(self, key: str, seconds: float) -> None:
        self._local[key] = self._clock() + seconds
        self._local.move_to_end(key)
        if len(self._local) > _MOST_LOCAL:
            self._local.popitem(last=False)
