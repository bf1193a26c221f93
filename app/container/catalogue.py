"""The catalogue services, including those in front of Jikan."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.container.foundation import Foundation
from app.external.jikan.client import JIKAN, JikanClient
from app.services.catalogue.anime import AnimeService
from app.services.catalogue.coalescing import RequestCoalescer
from app.services.catalogue.dumps import DumpService
from app.services.catalogue.events import CatalogueEvents
from app.services.catalogue.franchises import FranchiseService
from app.services.catalogue.ingest import CatalogueIngest
from app.services.catalogue.jikan_proxy import JikanProxy
from app.services.catalogue.lookup import CatalogueLookup
from app.services.catalogue.negative_cache import NegativeCache
from app.services.catalogue.refresh_queue import RefreshQueue
from app.services.catalogue.relations import RelationService
from app.services.catalogue.sync import CatalogueSync
from app.utils.redis.rate_limit import Rate, SharedLimiter
from app.utils.redis.single_flight import SingleFlight


@dataclass(frozen=True)
class CatalogueServices:
    anime: AnimeService
    dumps: DumpService
    events: CatalogueEvents
    jikan: JikanProxy
    lookup: CatalogueLookup
    franchises: FranchiseService
    relations: RelationService
    sync: CatalogueSync


@asynccontextmanager
async def build_catalogue(base: Foundation, *, jikan_rate: Rate) -> AsyncIterator[CatalogueServices]:
    db, redis, events = base.db, base.redis, CatalogueEvents(base.bus)
    async with AsyncExitStack() as stack:
        limiter = SharedLimiter(JIKAN.name, jikan_rate, redis)
        client = JikanClient(base.settings.jikan_base_url, limiter=limiter, transport=base.transport)
        stack.push_async_callback(client.close)
        flights, queue = SingleFlight(redis), RefreshQueue(db, base.jobs)
        stack.push_async_callback(flights.close)
        stack.push_async_callback(queue.close)
        coalescer, absent = RequestCoalescer(flights, base.quotas), NegativeCache(redis)
        ingest = CatalogueIngest(db, events)
        yield CatalogueServices(
            anime=AnimeService(db, events.publish),
            dumps=DumpService(db, changed=events.publish),
            events=events,
            jikan=JikanProxy(client, redis, absent=absent, coalescer=coalescer),
            lookup=CatalogueLookup(
                db, client, ingest=ingest, refresh_queue=queue, absent=absent, coalescer=coalescer
            ),
            franchises=FranchiseService(db),
            relations=RelationService(db),
            sync=CatalogueSync(db, client, base.jobs, ingest=ingest, refresh_queue=queue, absent=absent),
        )
