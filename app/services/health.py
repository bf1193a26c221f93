"""Health checks of PostgreSQL with its schema revision, and of Redis."""

import asyncio

from redis.asyncio import Redis

from app.repositories.health import HealthRepository
from app.schemas.domain.health import Health, SchemaHealth
from app.utils.db.database import Database, DatabaseUnavailable
from app.utils.redis.client import REDIS_FAULTS
from app.utils.shared_probe import SharedProbe

WITHIN = 0.8  # seconds for all checks together


class HealthService:
    """``db`` is a separate pool, so that an exhausted pool is not mistaken for a database outage."""

    def __init__(self, db: Database, redis: Redis, *, wanted: str) -> None:
        self._schema = HealthRepository(db)
        self._redis = redis
        self._wanted = wanted
        self._schema_probe = SharedProbe(self._check_schema)
        self._redis_probe = SharedProbe(self._check_redis)

    async def check(self) -> Health:
        """Check both concurrently; a dependency that does not answer within :data:`WITHIN` is down."""
        schema, redis = await asyncio.gather(self._schema_probe.ask(WITHIN), self._redis_probe.ask(WITHIN))
        return Health(schema=schema or self._unreachable(), redis=bool(redis))

    async def close(self) -> None:
        await asyncio.gather(self._schema_probe.close(), self._redis_probe.close())

    def _unreachable(self) -> SchemaHealth:
        return SchemaHealth(reachable=False, found=None, wanted=self._wanted)

    async def _check_schema(self) -> SchemaHealth:
        try:
            found = await self._schema.find_revision()
        except DatabaseUnavailable:
            return self._unreachable()
        return SchemaHealth(reachable=True, found=found, wanted=self._wanted)

    async def _check_redis(self) -> bool:
        try:
            return bool(await self._redis.ping())
        except REDIS_FAULTS:
            return False
