"""The foundation of all service groups: settings, PostgreSQL, Redis, jobs and events."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from redis.asyncio import Redis

from app.broker import JobSender
from app.config import Settings
from app.services.events import EventOutbox
from app.services.jobs import JobQueue, JobService, JobTimings
from app.utils.crypto.encryption import Encryption
from app.utils.db.database import Database
from app.utils.redis.bus import Bus
from app.utils.redis.client import connect_redis
from app.utils.redis.quotas import Quotas


@dataclass(frozen=True)
class Foundation:
    """Shared by all groups; closed after them."""

    settings: Settings
    db: Database
    redis: Redis
    quotas: Quotas
    encryption: Encryption
    jobs: JobService
    bus: Bus
    events: EventOutbox
    transport: httpx.AsyncBaseTransport | None


@asynccontextmanager
async def build_foundation(
    settings: Settings,
    *,
    db: Database | None,
    queue: JobQueue | None,
    transport: httpx.AsyncBaseTransport | None,
    job_timings: JobTimings | None,
) -> AsyncIterator[Foundation]:
    async with AsyncExitStack() as stack:
        db = db or _connect_database(stack, settings)
        redis = connect_redis(settings.redis)
        stack.push_async_callback(redis.aclose)
        bus = Bus(redis)
        stack.push_async_callback(bus.close)
        yield Foundation(
            settings=settings,
            db=db,
            redis=redis,
            quotas=Quotas(redis),
            encryption=encryption_of(settings),
            jobs=JobService(db, queue or _connect_sender(stack, settings), timings=job_timings),
            bus=bus,
            events=EventOutbox(db, bus),
            transport=transport,
        )


def encryption_of(settings: Settings) -> Encryption:
    old = settings.secret_key_previous
    return Encryption(settings.secret, previous=old.get_secret_value() if old else None)


def _connect_database(stack: AsyncExitStack, settings: Settings) -> Database:
    db = Database.connect(
        settings.database,
        pool_size=settings.db_pool_size,
        max_overflow=settings.db_max_overflow,
        recycle=settings.db_pool_recycle,
        pre_ping=settings.db_pool_pre_ping,
    )
    stack.push_async_callback(db.close)
    return db


def _connect_sender(stack: AsyncExitStack, settings: Settings) -> JobSender:
    sender = JobSender(settings.redis)
    stack.push_async_callback(sender.close)
    return sender
