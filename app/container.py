"""The composition root: the one place that calls constructors."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from redis.asyncio import Redis

from app.config import Settings
from app.services.accounts import AccountService
from app.utils.database import Database
from app.utils.redis import connect_redis

Send = Callable[[int], Awaitable[None]]


@dataclass(frozen=True)
class Container:
    """Everything that lives as long as the process. Services hold no state of a request."""

    settings: Settings
    db: Database
    redis: Redis
    accounts: AccountService


@asynccontextmanager
async def build(
    settings: Settings,
    *,
    db: Database | None = None,
    queue: Send | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[Container]:
    """Build the services on ``settings``; the keyword arguments replace a part in tests.

    ``queue`` rings the worker with a job id, ``transport`` answers in place of every upstream.
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
        yield Container(settings=settings, db=db, redis=redis, accounts=AccountService(db))
