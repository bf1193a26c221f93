"""Health and latency of AniLibria, PostgreSQL and Redis."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from redis.asyncio import Redis

from app.errors import AppError
from app.external.anilibria.client import AniLibriaClient
from app.utils.db.database import Database, DatabaseUnavailable
from app.utils.redis.client import REDIS_FAULTS
from app.utils.shared_probe import SharedProbe

_WITHIN = 0.8  # seconds
_PROBED_EVERY = 15.0  # seconds between two requests to AniLibria


@dataclass(frozen=True, slots=True)
class ReleaseHealth:
    """Latencies in milliseconds, None if down; ``uptime`` in seconds, ``hit_rate`` 0 to 1."""

    anilibria: int | None
    database: int | None
    cache: int | None
    hit_rate: float
    uptime: int


class ReleaseHealthService:
    def __init__(
        self,
        db: Database,
        redis: Redis,
        client: AniLibriaClient,
        *,
        hit_rates: Callable[[], Mapping[str, float]],
    ) -> None:
        self._db = db
        self._redis = redis
        self._client = client
        self._hit_rates = hit_rates
        self._started_at = time.monotonic()
        self._probed: tuple[float, int | None] | None = None
        self._upstream = SharedProbe(self._probe_upstream)
        self._database = SharedProbe(lambda: _timed(self._ask_database, DatabaseUnavailable))
        self._cache = SharedProbe(lambda: _timed(self._ask_redis, *REDIS_FAULTS))

    async def check(self) -> ReleaseHealth:
        """Check all three concurrently; what does not answer within 0.8 seconds is down."""
        upstream, database, cache = await asyncio.gather(
            self._upstream.ask(_WITHIN), self._database.ask(_WITHIN), self._cache.ask(_WITHIN)
        )
        rates = self._hit_rates()
        misses = 1.0
        for rate in rates.values():
            misses *= 1 - rate
        return ReleaseHealth(
            upstream, database, cache, round(1 - misses, 4), int(time.monotonic() - self._started_at)
        )

    async def close(self) -> None:
        await asyncio.gather(self._upstream.close(), self._database.close(), self._cache.close())

    async def _probe_upstream(self) -> int | None:
        if self._probed is None or time.monotonic() - self._probed[0] > _PROBED_EVERY:
            took = await _timed(self._client.probe, AppError)
            self._probed = time.monotonic(), took
        return self._probed[1]

    async def _ask_database(self) -> None:
        await self._db.scalar("select 1")

    async def _ask_redis(self) -> None:
        await self._redis.ping()


async def _timed(ask: Callable[[], Awaitable[None]], *faults: type[BaseException]) -> int | None:
    """The duration of the call in milliseconds; None if it fails."""
    started = time.perf_counter()
    try:
        await ask()
    except faults:
        return None
    return max(1, round((time.perf_counter() - started) * 1000))
