"""Client for aniwatch-api; every method returns the ``data`` of the response unchanged."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from app.errors import AppError, UpstreamError, UpstreamFailure, UpstreamRefused
from app.external.base.client import USER, Client, Policy
from app.utils.redis.rate_limit import Rate

HIANIME = Policy("hianime", "HiAnime")
HIANIME_RATE = Rate.of(per_second=10, per_minute=300)  # the server is the operator's own
# It scrapes one or more pages before it responds.
SCRAPING = replace(USER, name="scraping", budget=6.0, queue_timeout=2.0, attempt=5.0, attempts=2)

_BASE = ("api", "v2", "hianime")


class HiAnimeClient(Client):
    """Every method raises ``NotFound`` or ``UpstreamRefused`` for a 4xx, otherwise ``UpstreamFailure``.

    Arguments must be validated already: they become path segments or query values.
    """

    policy = HIANIME

    async def home(self) -> Any:
        return await self._ask("home")

    async def schedule(self, day: date, tz_offset: int) -> Any:
        """The titles that air on a day.

        ``tz_offset`` is in minutes as in JavaScript: UTC minus local time.
        """
        return await self._ask("schedule", query={"date": day.isoformat(), "tzOffset": tz_offset})

    async def search(self, query: Mapping[str, str | int]) -> Any:
        return await self._ask("search", query=query)

    async def suggest(self, text: str) -> Any:
        return await self._ask("search", "suggestion", query={"q": text})

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
            answer = await self._upstream.get(*_BASE, *parts, query=query, deadline=SCRAPING)
        except UpstreamFailure as failure:
            raise _refusal(failure) from failure
        if "data" in answer:
            return answer["data"]
        status = answer.get("status")
        if isinstance(status, int) and 400 <= status < 500:  # an error reported with status 200
            raise UpstreamRefused(status, str(answer.get("message", ""))[:200])
        raise UpstreamError("HiAnime's response has no data.")


def _refusal(failure: UpstreamFailure) -> AppError:
    """A 4xx as ``UpstreamRefused``, so that the client learns the status; other failures unchanged."""
    status = (failure.details or {}).get("status")
    if isinstance(status, int) and 400 <= status < 500 and status != 408:
        retry_after = failure.retry_after if status == 429 else None
        return UpstreamRefused(status, f"HiAnime answered {status}.", retry_after=retry_after)
    return failure
