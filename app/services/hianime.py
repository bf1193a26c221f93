"""A proxy for HiAnime's metadata from a self-hosted aniwatch-api; disabled if none is configured."""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, timedelta
from typing import Any, Literal

from app.errors import AppError, UpstreamDisabled, UpstreamError, UpstreamFailure
from app.external.hianime.client import HiAnimeClient
from app.schemas.domain.cached import CachedAnswer
from app.services.catalogue.cached_calls import CachedCalls
from app.services.catalogue.staleness import HIANIME_FOR, HIANIME_SOURCES_FOR
from app.utils.redis.quotas import Quota
from app.utils.shared_probe import SharedProbe

# Two thirds of the upstream's own rate limit, so that one client leaves room for others.
MISSES = Quota("hianime misses", 200, 60)
PATIENCE = 6.5  # seconds

HiAnimeState = Literal["disabled", "up", "down", "unknown"]

_PROBED_FOR = 30.0  # seconds
_PROBE_WITHIN = 0.8  # seconds
_OFF = "HiAnime is not configured: set HIANIME_BASE_URL to an aniwatch-api of your own."


class HiAnimeService:
    """Each response is ``{"data": …}`` with the unchanged ``data`` of the upstream.

    ``client`` identifies the requester. Raises ``UpstreamDisabled``, ``NotFound`` or ``UpstreamRefused`` for
    a 4xx, ``UpstreamError`` for any other fault, and ``RateLimited``.
    """

    def __init__(
        self,
        upstream: HiAnimeClient | None,
        calls: CachedCalls,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstream = upstream
        self._calls = calls
        self._clock = clock
        self._probe = SharedProbe(self._check)
        self._probed: tuple[float, HiAnimeState] | None = None

    async def home(self, *, client: str) -> CachedAnswer:
        upstream = self._enabled()
        return await self._answer("home", upstream.home, client)

    async def schedule(self, day: date, tz_offset: int, *, client: str) -> CachedAnswer:
        upstream = self._enabled()
        return await self._answer(
            f"schedule:{day}:{tz_offset}", lambda: upstream.schedule(day, tz_offset), client
        )

    async def search(self, query: Mapping[str, str | int], *, client: str) -> CachedAnswer:
        upstream = self._enabled()
        return await self._answer(f"search:{_key(query)}", lambda: upstream.search(query), client)

    async def suggest(self, words: str, *, client: str) -> CachedAnswer:
        upstream = self._enabled()
        return await self._answer(f"suggest:{words}", lambda: upstream.suggest(words), client)

    async def anime(self, slug: str, *, client: str) -> CachedAnswer:
        upstream = self._enabled()
        return await self._answer(f"anime:{slug}", lambda: upstream.anime(slug), client)

    async def episodes(self, slug: str, *, client: str) -> CachedAnswer:
        upstream = self._enabled()
        return await self._answer(f"episodes:{slug}", lambda: upstream.episodes(slug), client)

    async def servers(self, episode_id: str, *, client: str) -> CachedAnswer:
        upstream = self._enabled()
        return await self._answer(f"servers:{episode_id}", lambda: upstream.servers(episode_id), client)

    async def sources(self, query: Mapping[str, str | int], *, client: str) -> CachedAnswer:
        upstream = self._enabled()
        return await self._answer(
            f"sources:{_key(query)}", lambda: upstream.sources(query), client, ttl=HIANIME_SOURCES_FOR
        )

    async def state(self) -> HiAnimeState:
        """Whether the upstream answers, cached for half a minute; never raises, takes less than a second."""
        if self._upstream is None:
            return "disabled"
        if self._probed is None or self._clock() - self._probed[0] > _PROBED_FOR:
            await self._probe.ask(_PROBE_WITHIN)
        return "unknown" if self._probed is None else self._probed[1]

    async def close(self) -> None:
        await self._probe.close()
        if self._upstream is not None:
            await self._upstream.close()

    async def _check(self) -> None:
        try:
            await self.home(client="probe")
        except AppError:
            self._probed = (self._clock(), "down")
        else:
            self._probed = (self._clock(), "up")

    async def _answer(
        self, key: str, ask: Callable[[], Awaitable[Any]], client: str, *, ttl: timedelta = HIANIME_FOR
    ) -> CachedAnswer:
        async def wrapped() -> dict[str, Any]:
            return {"data": await ask()}

        try:
            return await self._calls.answer(key, wrapped, ttl=ttl, client=client)
        except UpstreamFailure as failure:  # this surface has one error code for all upstream failures
            raise UpstreamError(failure.message, retry_after=failure.retry_after) from failure

    def _enabled(self) -> HiAnimeClient:
        if self._upstream is None:
            raise UpstreamDisabled(_OFF)
        return self._upstream


def _key(query: Mapping[str, str | int]) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(query.items()))
