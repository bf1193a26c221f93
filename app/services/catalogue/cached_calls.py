"""Cache responses of an upstream in Redis for a short time, with coalesced calls."""

import json
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Literal

from redis.asyncio import Redis

from app.schemas.domain.cached import CachedAnswer
from app.services.catalogue.coalescing import RequestCoalescer
from app.services.catalogue.staleness import jittered
from app.utils.metrics import CACHE_REQUESTS
from app.utils.redis.client import REDIS_FAULTS


class CachedCalls:
    """``name`` is the upstream's name in keys and metrics.

    It does not stand on ``app.utils.cache``: a call counts for the quota of the client that causes it, and an
    expired response is not served, since clients of these routes ask for Jikan's present answer.
    """

    def __init__(
        self, name: str, redis: Redis, coalescer: RequestCoalescer, *, now: Callable[[], float] = time.time
    ) -> None:
        self._name = name
        self._redis = redis
        self._coalescer = coalescer
        self._now = now

    async def answer(
        self, key: str, ask: Callable[[], Awaitable[Any]], *, ttl: timedelta, client: str
    ) -> CachedAnswer:
        """The JSON result of ``ask``, cached for ``ttl``; ``client`` identifies the requester for its quota.

        Raises the errors of ``RequestCoalescer.make``.
        """
        cached = await self._read(key)
        await self._count("misses" if cached is None else "hits")
        if cached is not None:
            asked_at, body = cached
            return CachedAnswer(body, "hit", max(0, int(self._now() - asked_at)))
        body = await self._coalescer.make(
            f"{self._name}:{key}",
            look=lambda: self._read_body(key),
            call=lambda: self._fetch(key, ask, ttl),
            client=client,
        )
        return CachedAnswer(body, "miss", 0)

    async def counts(self) -> dict[str, int]:
        """Hits and misses of all processes since Redis was emptied; zeros while Redis is down."""
        try:
            found: Any = await self._redis.hgetall(f"cache:counts:{self._name}")
        except REDIS_FAULTS:
            return {"hits": 0, "misses": 0}
        counts = {name.decode(): int(number) for name, number in found.items()}
        return {"hits": counts.get("hits", 0), "misses": counts.get("misses", 0)}

    async def _count(self, outcome: Literal["hits", "misses"]) -> None:
        CACHE_REQUESTS.labels(self._name, "hit" if outcome == "hits" else "miss").inc()
        try:
            counted: Any = self._redis.hincrby(f"cache:counts:{self._name}", outcome)
            await counted
        except REDIS_FAULTS:
            return

    async def _fetch(self, key: str, ask: Callable[[], Awaitable[Any]], ttl: timedelta) -> bytes:
        # not orjson, which cannot represent integers beyond 64 bits
        body = json.dumps(await ask(), ensure_ascii=False, separators=(",", ":")).encode()
        entry = b"%d\n%s" % (int(self._now()), body)
        try:
            await self._redis.set(self._redis_key(key), entry, px=jittered(ttl))
        except REDIS_FAULTS:
            return body
        return body

    async def _read_body(self, key: str) -> bytes | None:
        cached = await self._read(key)
        return None if cached is None else cached[1]

    async def _read(self, key: str) -> tuple[int, bytes] | None:
        """The time the cached response was fetched, in Unix seconds, and its body."""
        try:
            entry: Any = await self._redis.get(self._redis_key(key))
        except REDIS_FAULTS:
            return None
        if entry is None:
            return None
        asked_at, _, body = entry.partition(b"\n")
        return int(asked_at), body

    def _redis_key(self, key: str) -> str:
        return f"cache:{self._name}:{key}"
