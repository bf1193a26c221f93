"""Whether the service can do its work: PostgreSQL with the right schema, and Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from redis.asyncio import Redis

from app.repositories.health import HealthRepository
from app.schemas.domain.health import Health, SchemaHealth
from app.utils.database import Database, DatabaseUnavailable
from app.utils.redis import REDIS_FAULTS

T = TypeVar("T")

_WITHIN = 0.8  # seconds for all looks together


class HealthService:
    """``db`` is a pool of its own, so that a pool full of requests is not mistaken for a dead database."""

    def __init__(self, db: Database, redis: Redis, *, wanted: str) -> None:
        self._schema = HealthRepository(db)
        self._redis = redis
        self._wanted = wanted
        self._schema_look = _Look(self._look_at_schema)
        self._redis_look = _Look(self._look_at_redis)

    async def check(self) -> Health:
        """Look at both at once; what does not answer within a second is down."""
        schema, redis = await asyncio.gather(self._schema_look.ask(_WITHIN), self._redis_look.ask(_WITHIN))
        return Health(schema=schema or self._unreachable(), redis=bool(redis))

    async def close(self) -> None:
        await asyncio.gather(self._schema_look.close(), self._redis_look.close())

    def _unreachable(self) -> SchemaHealth:
        return SchemaHealth(reachable=False, found=None, wanted=self._wanted)

    async def _look_at_schema(self) -> SchemaHealth:
        try:
            found = await self._schema.find_revision()
        except DatabaseUnavailable:
            return self._unreachable()
        return SchemaHealth(reachable=True, found=found, wanted=self._wanted)

    async def _look_at_redis(self) -> bool:
        try:
            return bool(await self._redis.ping())
        except REDIS_FAULTS:
            return False


class _Look(Generic[T]):
    """One look at a time, however many ask; each of them waits for a bounded time.

    A look that takes longer is not cancelled, which would cost its connection, but left to end by itself.
    """

    def __init__(self, look: Callable[[], Awaitable[T]]) -> None:
        self._look = look
        self._under_way: asyncio.Future[T] | None = None

    async def ask(self, seconds: float) -> T | None:
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.ensure_future(self._look())
        done, _ = await asyncio.wait({self._under_way}, timeout=seconds)
        return self._under_way.result() if done else None

    async def close(self) -> None:
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)
