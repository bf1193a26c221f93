"""The release services: titles of AniLibria, polling, live events."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.container.foundation import Foundation
from app.external.anilibria.client import ANILIBRIA, ANILIBRIA_RATE, AniLibriaClient
from app.external.node.client import NODE, NODE_RATE, NodeClient
from app.services.releases.following import ReleaseFollower
from app.services.releases.health import ReleaseHealthService
from app.services.releases.links import LinkService
from app.services.releases.live import LiveReleases
from app.services.releases.node import NodeService
from app.services.releases.reading import ReleaseService
from app.services.releases.titles import SOURCE, TitleService
from app.utils.cache import MEMORY, Cache, Level, MemoryLevel, RedisLevel
from app.utils.metrics import set_hit_rate
from app.utils.redis.rate_limit import Rate, SharedLimiter
from app.utils.redis.single_flight import SingleFlight

_L1 = 300.0  # seconds after a fetch during which an entry in memory is fresh
_L2 = 1800.0  # the same for Redis
_KEPT = 24 * 3600.0  # seconds that Redis stores an entry, to serve it while AniLibria is down


@dataclass(frozen=True)
class ReleaseServices:
    following: ReleaseFollower
    health: ReleaseHealthService
    links: LinkService
    node: NodeService
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
        levels: list[Level] = [
            MemoryLevel(MEMORY, ttl=_L1),
            RedisLevel("l2", base.redis, ttl=_L2, retention=_KEPT),
        ]
        cache = Cache(SOURCE, levels, flights, base.bus, on_hit_rate=set_hit_rate)
        stack.push_async_callback(cache.close)
        await stack.enter_async_context(
            base.bus.subscribe(cache.topic, on_message=cache.on_message, on_gap=cache.on_gap)
        )
        node = NodeService(base.db, base.events, base.jobs, _node_client(base))
        stack.push_async_callback(node.close)
        titles = TitleService(base.db, client, cache, node=node)
        health = ReleaseHealthService(base.db, base.redis, client, hit_rates=lambda: titles.hit_rates)
        stack.push_async_callback(health.close)
        yield ReleaseServices(
            following=ReleaseFollower(base.db, client, titles),
            health=health,
            links=LinkService(base.db, titles),
            node=node,
            live=LiveReleases(base.db, base.events, base.bus, most=base.settings.websocket_max_connections),
            reading=ReleaseService(base.db),
            titles=titles,
        )


def _node_client(base: Foundation) -> NodeClient | None:
    url, token = base.settings.node_service_url, base.settings.internal_service_token
    if url is None:
        return None
    limiter = SharedLimiter(NODE.name, NODE_RATE, base.redis)
    secret = token.get_secret_value() if token else None
    return NodeClient(url, token=secret, limiter=limiter, transport=base.transport)
