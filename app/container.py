"""The composition root: the one place that calls constructors."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from redis.asyncio import Redis

from app.broker import JobBroker
from app.config import Settings
from app.services.accounts import AccountService
from app.services.health import HealthService
from app.services.jobs import JobQueue, JobService
from app.utils import migrations
from app.utils.database import Database
from app.utils.quotas import Quotas
from app.utils.redis import connect_redis


@dataclass(frozen=True)
class Container:
    """Everything that lives as long as the process. Services hold no state of a request."""

    settings: Settings
    db: Database
    redis: Redis
    accounts: AccountService
    health: HealthService
    jobs: JobService
    quotas: Quotas


@asynccontextmanager
async def build(
    settings: Settings,
    *,
    db: Database | None = None,
    queue: JobQueue | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[Container]:
    """Build the services on ``settings``; the keyword arguments replace a part in tests.

    ``queue`` carries job ids to the workers, ``transport`` answers in place of every upstream.
    """
    async with AsyncExitStack() as stack:
        if db is None:
            db = Database.connect(
                settings.database,
                pool_size=settings.db_pool_size,
                max_overflow=settings.db_max_overflow,
                recycle=settings.db_pool_recycle,
                pre_ping=settings.db_pool_pre_ping,
            )
            stack.push_async_callback(db.close)
        redis = connect_redis(settings.redis)
        stack.push_async_callback(redis.aclose)
        if queue is None:
            queue = broker = JobBroker(settings.redis)
            stack.push_async_callback(broker.shutdown)
        yield Container(
            settings=settings,
            db=db,
            redis=redis,
            accounts=AccountService(db),
            health=await _health(stack, settings, redis),
            jobs=JobService(db, queue),
            quotas=Quotas(redis),
        )


async def _health(stack: AsyncExitStack, settings: Settings, redis: Redis) -> HealthService:
    db = Database.connect(settings.database, pool_size=1, max_overflow=0, statement_timeout=1)
    stack.push_async_callback(db.close)
    health = HealthService(db, redis, wanted=migrations.wanted_revision())
    stack.push_async_callback(health.close)
    return health
