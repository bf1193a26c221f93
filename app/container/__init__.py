"""The composition root: builds all services, group by group."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from redis.asyncio import Redis

from app.config import Settings
from app.container.accounts import AccountServices, build_accounts, issuer_of
from app.container.catalogue import CatalogueServices, build_catalogue
from app.container.foundation import Foundation, build_foundation
from app.container.library import LibraryServices, WatchingServices, build_library, build_watching
from app.container.operations import OperationServices, build_operations
from app.container.recommendations import RecommendationServices, build_recommendations
from app.container.releases import ReleaseServices, build_releases
from app.container.sync import SyncServices, build_sync
from app.container.upstreams import build_anilist, build_hianime, build_sources
from app.external.anilibria.client import ANILIBRIA_RATE
from app.external.jikan.client import JIKAN_RATE
from app.services.events import EventOutbox
from app.services.hianime import HiAnimeService
from app.services.idempotency import IdempotencyService
from app.services.jobs import JobQueue, JobService, JobTimings
from app.services.sources import SourceService
from app.utils.db.database import Database
from app.utils.redis.bus import Bus
from app.utils.redis.quotas import Quotas
from app.utils.redis.rate_limit import Rate

__all__ = ["Container", "build", "issuer_of"]


@dataclass(frozen=True)
class Container:
    """All services of a process. Services hold no request state."""

    settings: Settings
    db: Database
    redis: Redis
    quotas: Quotas
    bus: Bus
    accounts: AccountServices
    catalogue: CatalogueServices
    events: EventOutbox
    hianime: HiAnimeService
    idempotency: IdempotencyService
    jobs: JobService
    library: LibraryServices
    operations: OperationServices
    releases: ReleaseServices
    sources: SourceService
    sync: SyncServices
    recommendations: RecommendationServices
    watching: WatchingServices


@asynccontextmanager
async def build(
    settings: Settings,
    *,
    db: Database | None = None,
    queue: JobQueue | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    job_timings: JobTimings | None = None,
    jikan_rate: Rate = JIKAN_RATE,
    anilibria_rate: Rate = ANILIBRIA_RATE,
) -> AsyncIterator[Container]:
    """Build all services from ``settings``. The keyword arguments replace parts in tests.

    ``queue`` carries job ids to the workers, ``transport`` answers in place of every upstream.
    """
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(
            build_foundation(settings, db=db, queue=queue, transport=transport, job_timings=job_timings)
        )
        yield await _assemble(stack, base, jikan_rate=jikan_rate, anilibria_rate=anilibria_rate)


async def _assemble(
    stack: AsyncExitStack, base: Foundation, *, jikan_rate: Rate, anilibria_rate: Rate
) -> Container:
    enter = stack.enter_async_context
    anilist = await enter(build_anilist(base))
    catalogue = await enter(build_catalogue(base, jikan_rate=jikan_rate))
    return Container(
        settings=base.settings,
        db=base.db,
        redis=base.redis,
        quotas=base.quotas,
        bus=base.bus,
        accounts=await enter(build_accounts(base)),
        catalogue=catalogue,
        hianime=await enter(build_hianime(base)),
        events=base.events,
        idempotency=IdempotencyService(base.db, base.encryption),
        jobs=base.jobs,
        library=await enter(build_library(base, anilist)),
        operations=await enter(build_operations(base)),
        releases=await enter(build_releases(base, rate=anilibria_rate)),
        sources=await enter(build_sources(base, catalogue.anime, anilist)),
        sync=await enter(build_sync(base, anilist)),
        recommendations=await enter(build_recommendations(base)),
        watching=await enter(build_watching(base)),
    )
