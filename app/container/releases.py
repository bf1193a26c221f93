"""The services about releases, and those in front of AniLibria."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.container.foundation import Foundation
from app.external.anilibria.client import ANILIBRIA, ANILIBRIA_RATE, AniLibriaClient
from app.services.releases.following import ReleaseFollower
from app.services.releases.health import ReleaseHealthService
from app.services.releases.live import LiveReleases
from app.services.releases.reading import ReleaseService
from app.services.releases.titles import SOURCE, TitleService
from app.utils.cache import Cache, Level, MemoryLevel, RedisLevel
from app.utils.redis.rate_limit import Rate, SharedLimiter
from app.utils.redis.single_flight import SingleFlight

_L1 = 300.0  # seconds since AniLibria was asked for which memory serves a copy
_L2 = 1800.0  # the same for Redis
_KEPT = 24 * 3600.0  # seconds that Redis keeps a copy, for the time when AniLibria is down


@dataclass(frozen=True)
class ReleaseServices:
    following: ReleaseFollower
    health: ReleaseHealthService
    live: LiveReleases
    reading: ReleaseService
    titles: TitleService


@asynccontextmanager
async def build_releases(base: Foundation, *, rate: Rate = ANILIBRIA_RATE) -> AsyncIterator[ReleaseServices]:
    async with AsyncExitStack() as stack:
        limiter = SharedLimiter(ANILIBRIA.name, rate, base.redis)
        client = AniLibriaClient(base.settings.anilibria_base_url, limiter=limiter, transport=base.transport)
        stack.push_async_callback(client.close)
        flights = SingleFlight(base.redis)
        stack.push_async_callback(flights.close)
        levels: list[Level] = [MemoryLevel("l1", ttl=_L1), RedisLevel("l2", base.redis, ttl=_L2, kept=_KEPT)]
        cache = Cache(SOURCE, levels, flights, base.bus)
        stack.push_async_callback(cache.close)
        await stack.enter_async_context(base.bus.subscribe(cache.topic, heard=cache.hear, missed=cache.miss))
        titles = TitleService(base.db, client, cache)
        health = ReleaseHealthService(base.db, base.redis, client, hit_rates=lambda: titles.hit_rates)
        stack.push_async_callback(health.close)
        yield ReleaseServices(
            following=ReleaseFollower(base.db, client, titles),
            health=health,
            live=LiveReleases(base.db, base.events, base.bus, most=base.settings.websocket_max_connections),
            reading=ReleaseService(base.db),
            titles=titles,
        )
