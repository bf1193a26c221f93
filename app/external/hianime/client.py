"""aniwatch-api's paths; each answer is its ``data``, as it came."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from app.errors import AppError, UpstreamError, UpstreamFailure, UpstreamRefused
from app.external.base.client import USER, Client, Policy
from app.utils.redis.rate_limit import Rate

HIANIME = Policy("hianime", "HiAnime")
HIANIME_RATE = Rate.of(per_second=10, per_minute=300)  # it is a server of our operator's own
# It scrapes a page, or several, before it answers.
PATIENT = replace(USER, name="scraping", budget=6.0, queue_timeout=2.0, attempt=5.0, attempts=2)

_BASE = ("api", "v2", "hianime")


class HiAnimeClient(Client):
    """Every method raises ``NotFound`` or ``UpstreamRefused`` for a 4xx, and else an ``UpstreamFailure``.

    Arguments are trusted to be checked: they become segments of a path, or values of a query.
    """

    policy = HIANIME

    async def home(self) -> Any:
        return await self._ask("home")

    async def schedule(self, day: date, tz_offset: int) -> Any:
        """What airs on a day; ``tz_offset`` is in minutes, as JavaScript counts them: UTC minus local."""
        return await self._ask("schedule", query={"date": day.isoformat(), "tzOffset": tz_offset})

    async def search(self, query: Mapping[str, str | int]) -> Any:
        return await self._ask("search", query=query)

    async def suggest(self, words: str) -> Any:
        return await self._ask("search", "suggestion", query={"q": words})

    async def anime(self, slug: str) -> Any:
        return await self._ask("anime", slug)

    async def episodes(self, slug: str) -> Any:
        return await self._ask("anime", slug, "episodes")

    async def servers(self, episode_id: str) -> Any:
        return await self._ask("episode", "servers", query={"animeEpisodeId": episode_id})

    async def sources(self, query: Mapping[str, str | int]) -> Any:
        return await self._ask("episode", "sources", query=query)

    async def _ask(self, *parts: str, query: Mapping[str, str | int] | None = None) -> Any:
        try:
            answer = await self._upstream.get(*_BASE, *parts, query=query, deadline=PATIENT)
        except UpstreamFailure as failure:
            raise _refusal(failure) from failure
        if "data" in answer:
            return answer["data"]
        status = answer.get("status")
        if isinstance(status, int) and 400 <= status < 500:  # a refusal that came with 200
            raise UpstreamRefused(status, str(answer.get("message", ""))[:200])
        raise UpstreamError("HiAnime's answer has no data.")


def _refusal(failure: UpstreamFailure) -> AppError:
    """The failure, or the refusal that it was: whose answer was a 4xx knows what it was asked."""
    status = (failure.details or {}).get("status")
    if isinstance(status, int) and 400 <= status < 500 and status != 408:
        return UpstreamRefused(status, f"HiAnime answered {status}.", retry_after=failure.retry_after)
    return failure
