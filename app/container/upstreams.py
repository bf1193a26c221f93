"""The services that pass on data of an upstream: AniList, MangaDex, HiAnime."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from app.container.foundation import Foundation
from app.external.anilist.client import ANILIST, ANILIST_RATE, AniListClient
from app.external.hianime.client import HIANIME, HIANIME_RATE, HiAnimeClient
from app.external.mangadex.client import MANGADEX, MANGADEX_RATE, MangaDexClient
from app.services.catalogue.anime import AnimeService
from app.services.catalogue.cached_calls import CachedCalls
from app.services.catalogue.coalescing import RequestCoalescer
from app.services.hianime import MISSES, PATIENCE, HiAnimeService
from app.services.sources import SourceService
from app.utils.redis.rate_limit import SharedLimiter
from app.utils.redis.single_flight import SingleFlight


@asynccontextmanager
async def build_anilist(base: Foundation) -> AsyncIterator[AniListClient]:
    """One client per process, shared by all services: it learns AniList's rate limit from the responses."""
    limiter = SharedLimiter(ANILIST.name, ANILIST_RATE, base.redis)
    client = AniListClient(base.settings.anilist_base_url, limiter=limiter, transport=base.transport)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def build_sources(
    base: Foundation, anime: AnimeService, anilist: AniListClient
) -> AsyncIterator[SourceService]:
    async with AsyncExitStack() as stack:
        limiter = SharedLimiter(MANGADEX.name, MANGADEX_RATE, base.redis)
        mangadex = MangaDexClient(base.settings.mangadex_base_url, limiter=limiter, transport=base.transport)
        stack.push_async_callback(mangadex.close)
        flights = SingleFlight(base.redis)
        stack.push_async_callback(flights.close)
        coalescer = RequestCoalescer(flights, base.quotas)
        yield SourceService(
            base.db,
            anime,
            anilist,
            mangadex,
            anilist_calls=CachedCalls(ANILIST.name, base.redis, coalescer),
            mangadex_calls=CachedCalls(MANGADEX.name, base.redis, coalescer),
        )


@asynccontextmanager
async def build_hianime(base: Foundation) -> AsyncIterator[HiAnimeService]:
    async with AsyncExitStack() as stack:
        flights = SingleFlight(base.redis)
        stack.push_async_callback(flights.close)
        coalescer = RequestCoalescer(flights, base.quotas, quota=MISSES, patience=PATIENCE)
        service = HiAnimeService(_hianime_client(base), CachedCalls(HIANIME.name, base.redis, coalescer))
        stack.push_async_callback(service.close)
        yield service


def _hianime_client(base: Foundation) -> HiAnimeClient | None:
    url = base.settings.hianime_base_url
    if url is None:
        return None
    limiter = SharedLimiter(HIANIME.name, HIANIME_RATE, base.redis)
    return HiAnimeClient(url, limiter=limiter, transport=base.transport)
