"""Jikan's endpoints: mapped titles and pages, or its raw data."""

from typing import Any

from app.errors import Invalid, NotFound, UpstreamError
from app.external.base.client import USER, Client, Deadline, Policy
from app.external.jikan.mapping import MappingError, map_anime
from app.logs import log
from app.schemas.domain.anime import Season, UpstreamAnime, UpstreamPage
from app.utils.metrics import UPSTREAM_ITEMS_SKIPPED
from app.utils.redis.rate_limit import Rate
from app.utils.text.cleaning import INT_MAX, clean_int, is_storable

JIKAN = Policy("jikan", "Jikan")
JIKAN_RATE = Rate.of(per_second=3, per_minute=60)
PAGE_SIZE = 25  # Jikan's maximum


class JikanClient(Client):
    """Every method raises ``NotFound`` if MyAnimeList has no such title, otherwise ``UpstreamFailure``."""

    policy = JIKAN

    async def get_anime(self, mal_id: int, *, deadline: Deadline = USER) -> UpstreamAnime:
        data = await self.raw_anime(mal_id, deadline=deadline)
        try:
            anime = map_anime(data)
        except MappingError as fault:
            raise UpstreamError(f"Jikan's response for {mal_id} cannot be mapped: {fault}.") from fault
        if anime.mal_id != mal_id:
            raise UpstreamError(f"Jikan answered with title {anime.mal_id} instead of {mal_id}.")
        return anime

    async def list_top(self, page: int, *, deadline: Deadline = USER) -> UpstreamPage:
        """The top titles by score, 25 per page, starting at page 1."""
        query = {"page": page, "limit": PAGE_SIZE}
        return _page(await self._upstream.get("top", "anime", query=query, deadline=deadline), page)

    async def list_season(
        self, year: int, season: Season, page: int, *, deadline: Deadline = USER
    ) -> UpstreamPage:
        """The titles that started in a season, 25 per page, starting at page 1."""
        query = {"page": page, "limit": PAGE_SIZE}
        return _page(await self._upstream.get("seasons", year, season, query=query, deadline=deadline), page)

    async def raw_top(self, page: int, limit: int, *, deadline: Deadline = USER) -> list[Any]:
        """Jikan's raw top list; ``limit`` is at most 25."""
        query = {"page": page, "limit": limit}
        return _list(await self._upstream.get("top", "anime", query=query, deadline=deadline))

    async def raw_search(self, query: str, *, deadline: Deadline = USER) -> list[Any]:
        """The 25 best matches of Jikan's search, in its order."""
        if not is_storable(query):
            raise Invalid.fields({"query": ["contains characters that cannot be sent"]})
        found = await self._upstream.get("anime", query={"q": query, "limit": PAGE_SIZE}, deadline=deadline)
        return _list(found)

    async def raw_anime(self, mal_id: int, *, deadline: Deadline = USER) -> dict[str, Any]:
        """Jikan's raw object with relations, themes and streaming links."""
        if not 1 <= mal_id <= INT_MAX:
            raise NotFound(f"MyAnimeList has no title {mal_id}.")
        data = (await self._upstream.get("anime", mal_id, "full", deadline=deadline)).get("data")
        if not isinstance(data, dict):
            raise UpstreamError("Jikan's response has no data.")
        return data


def _list(body: dict[str, Any]) -> list[Any]:
    data = body.get("data")
    if not isinstance(data, list):
        raise UpstreamError("Jikan's response has no list of data.")
    return data


def _page(body: dict[str, Any], page: int) -> UpstreamPage:
    """Map a page; an item that cannot be mapped is skipped and logged."""
    items: dict[int | None, UpstreamAnime] = {}
    data = _list(body)
    skipped = 0
    for entry in data:
        try:
            anime = map_anime(entry)
        except MappingError as fault:
            skipped += 1
            log.warning("jikan.item_skipped", reason=str(fault))
        else:
            items.setdefault(anime.mal_id, anime)
    if skipped:
        UPSTREAM_ITEMS_SKIPPED.labels(JIKAN.name).inc(skipped)
    has_next, total = _remaining(body.get("pagination"), page) if data else (False, None)
    return UpstreamPage(tuple(items.values()), has_next=has_next, total=total, skipped=skipped)


def _remaining(pagination: object, page: int) -> tuple[bool, int | None]:
    """Whether there is a next page, and the total number of titles.

    ``has_next_page`` is known to be wrong at the end of lists, so the counts are used where present.
    """
    if not isinstance(pagination, dict):
        return False, None
    if clean_int(pagination.get("current_page", page)) != page:
        return False, None
    items, last = pagination.get("items"), clean_int(pagination.get("last_visible_page"))
    if not isinstance(items, dict) or last is None:
        return pagination.get("has_next_page") is True, None
    return page < last, clean_int(items.get("total"))
