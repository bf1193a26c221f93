"""The services around Jikan, on the stand-in, a real database and a limiter that admits everything."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text

from app.external.jikan.client import JikanClient
from app.services.catalogue.coalescing import RequestCoalescer
from app.services.catalogue.ingest import CatalogueIngest
from app.services.catalogue.jikan_proxy import JikanProxy
from app.services.catalogue.lookup import CatalogueLookup
from app.services.catalogue.negative_cache import NegativeCache
from app.services.catalogue.refresh_queue import RefreshQueue
from app.services.catalogue.sync import CatalogueSync
from app.services.jobs import JobService
from app.utils.db.database import Database
from app.utils.redis.quotas import Quotas
from app.utils.redis.single_flight import SingleFlight
from tests.external.doubles import OpenLimiter
from tests.fixtures.jobs import RecordingQueue
from tests.standin import JikanStandin


@dataclass
class CatalogueSignals:
    """A stopped clock, a count of announcements, and the titles that they were limited to."""

    now: datetime = datetime(2026, 11, 20, 12, tzinfo=UTC)
    announced: int = 0
    updates: list[int] = field(default_factory=list)
    progress: list[tuple[int, int | None]] = field(default_factory=list)

    def __call__(self) -> datetime:
        return self.now

    async def publish(self) -> None:
        self.announced += 1

    async def announce_updates(self, titles: Collection[int]) -> None:
        self.updates += titles

    async def note_progress(self, done: int, total: int | None) -> None:
        self.progress.append((done, total))


@dataclass
class Parts:
    db: Database
    told: CatalogueSignals
    jikan: JikanClient
    jobs: JobService
    absent: NegativeCache
    ingest: CatalogueIngest
    refresh_queue: RefreshQueue
    coalescer: RequestCoalescer
    mal: CatalogueLookup
    raw: JikanProxy
    sync: CatalogueSync

    async def rows(self, sql: str, **parameters: Any) -> list[Any]:
        async with self.db.reader() as connection:
            return list((await connection.execute(text(sql), parameters)).all())

    async def queued(self) -> list[str]:
        return [job.key for job in (await self.jobs.list(status="queued", limit=100)).jobs]


@asynccontextmanager
async def parts_on(standin: JikanStandin, database: Database, redis: Redis) -> AsyncIterator[Parts]:
    told = CatalogueSignals()
    jikan = JikanClient(standin.base_url, limiter=OpenLimiter())
    jobs = JobService(database, RecordingQueue())
    absent = NegativeCache(redis)
    ingest = CatalogueIngest(database, told, clock=told)
    refresh_queue = RefreshQueue(database, jobs)
    flights = SingleFlight(redis)
    coalescer = RequestCoalescer(flights, Quotas(redis))
    yield Parts(
        db=database,
        told=told,
        jikan=jikan,
        jobs=jobs,
        absent=absent,
        ingest=ingest,
        refresh_queue=refresh_queue,
        coalescer=coalescer,
        mal=CatalogueLookup(
            database,
            jikan,
            ingest=ingest,
            refresh_queue=refresh_queue,
            absent=absent,
            coalescer=coalescer,
            clock=told,
        ),
        raw=JikanProxy(jikan, redis, absent=absent, coalescer=coalescer, now=lambda: told.now.timestamp()),
        sync=CatalogueSync(
            database, jikan, jobs, ingest=ingest, refresh_queue=refresh_queue, absent=absent, clock=told
        ),
    )
    await refresh_queue.close()
    await flights.close()
    await jikan.close()
