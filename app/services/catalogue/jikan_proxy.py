"""Pass through Jikan's raw responses, with a short cache and coalesced calls."""

import time
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from app.errors import NotFound
from app.external.jikan.client import JIKAN, JikanClient
from app.schemas.domain.cached import CachedAnswer
from app.services.catalogue.cached_calls import CachedCalls
from app.services.catalogue.coalescing import RequestCoalescer
from app.services.catalogue.negative_cache import NegativeCache
from app.services.catalogue.staleness import RAW_FOR


class JikanProxy:
    """Each answer is the unchanged ``data`` of Jikan's response; ``client`` identifies the requester."""

    def __init__(
        self,
        jikan: JikanClient,
        redis: Redis,
        *,
        absent: NegativeCache,
        coalescer: RequestCoalescer,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._jikan = jikan
        self._absent = absent
        self._calls = CachedCalls(JIKAN.name, redis, coalescer, now=now)

    async def top(self, *, page: int, limit: int, client: str) -> CachedAnswer:
        """The top titles by score."""
        return await self._calls.answer(
            f"top:{page}:{limit}", lambda: self._jikan.raw_top(page, limit), ttl=RAW_FOR, client=client
        )

    async def search(self, query: str, *, client: str) -> CachedAnswer:
        """The best matches of Jikan's search."""
        return await self._calls.answer(
            f"search:{query}", lambda: self._jikan.raw_search(query), ttl=RAW_FOR, client=client
        )

    async def anime(self, mal_id: int, *, client: str) -> CachedAnswer:
        """One title; raises :class:`NotFound`, which is remembered for a while."""
        await self._absent.check(mal_id)
        return await self._calls.answer(
            f"anime:{mal_id}", lambda: self._ask_for(mal_id), ttl=RAW_FOR, client=client
        )

    async def _ask_for(self, mal_id: int) -> Any:
        try:
            return await self._jikan.raw_anime(mal_id)
        except NotFound:
            raise await self._absent.note(mal_id) from None
