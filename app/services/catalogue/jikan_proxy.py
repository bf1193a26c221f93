"""Jikan's own answers, passed through: a short cache, one call for all who ask the same."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from app.errors import NotFound
from app.external.jikan.client import JikanClient
from app.schemas.domain.cached import CachedAnswer
from app.services.catalogue.coalescing import RequestCoalescer
from app.services.catalogue.missing_titles import MissingTitles
from app.services.catalogue.staleness import RAW_FOR, jittered
from app.utils.metrics import CACHE_REQUESTS
from app.utils.redis.client import REDIS_FAULTS

_PREFIX = "cache:jikan:"


class JikanProxy:
    """Each answer is the ``data`` of Jikan's, as it came; ``client`` names who asks."""

    def __init__(
        self,
        jikan: JikanClient,
        redis: Redis,
        *,
        absent: MissingTitles,
        coalescer: RequestCoalescer,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._jikan = jikan
        self._redis = redis
        self._absent = absent
        self._coalescer = coalescer
        self._now = now

    async def top(self, *, page: int, limit: int, client: str) -> CachedAnswer:
        """Titles by score."""
        return await self._answer(
            f"top:{page}:{limit}", lambda: self._jikan.raw_top(page, limit), client=client
        )

    async def search(self, query: str, *, client: str) -> CachedAnswer:
        """The titles that Jikan finds closest."""
        return await self._answer(f"search:{query}", lambda: self._jikan.raw_search(query), client=client)

    async def anime(self, mal_id: int, *, client: str) -> CachedAnswer:
        """Raises :class:`NotFound` when MyAnimeList has none; that is remembered for a while."""
        await self._absent.check(mal_id)
        return await self._answer(f"anime:{mal_id}", lambda: self._ask_for(mal_id), client=client)

    async def _answer(self, key: str, ask: Callable[[], Awaitable[Any]], *, client: str) -> CachedAnswer:
        cached = await self._read(key)
        CACHE_REQUESTS.labels("jikan", "miss" if cached is None else "hit").inc()
        if cached is not None:
            asked_at, body = cached
            return CachedAnswer(body, "hit", max(0, int(self._now() - asked_at)))
        body = await self._coalescer.make(
            f"jikan:{key}",
            look=lambda: self._look(key),
            call=lambda: self._fetch(key, ask),
            client=client,
        )
        return CachedAnswer(body, "miss", 0)

    async def _ask_for(self, mal_id: int) -> Any:
        try:
            return await self._jikan.raw_anime(mal_id)
        except NotFound:
            raise await self._absent.note(mal_id) from None

    async def _fetch(self, key: str, ask: Callable[[], Awaitable[Any]]) -> bytes:
        # not orjson: numbers of any size pass through as they came
        body = json.dumps(await ask(), ensure_ascii=False, separators=(",", ":")).encode()
        entry = b"%d\n%s" % (int(self._now()), body)
        try:
            await self._redis.set(_PREFIX + key, entry, px=jittered(RAW_FOR))
        except REDIS_FAULTS:
            return body
        return body

    async def _look(self, key: str) -> bytes | None:
        cached = await self._read(key)
        return None if cached is None else cached[1]

    async def _read(self, key: str) -> tuple[int, bytes] | None:
        """When the answer in the cache was fetched, as seconds of the epoch, and its body."""
        try:
            entry: Any = await self._redis.get(_PREFIX + key)
        except REDIS_FAULTS:
            return None
        if entry is None:
            return None
        asked_at, _, body = entry.partition(b"\n")
        return int(asked_at), body
