"""Client for AniLibria's API: releases, episodes, the schedule, genres."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from app.errors import NotFound, UpstreamError
from app.external.anilibria.mapping import (
    MappingError,
    all_of,
    item_of,
    items_of,
    map_genre,
    map_release,
    map_scheduled,
    paging_of,
    site_of,
)
from app.external.base.client import USER, Client, Deadline, Policy, Request, path_of
from app.schemas.domain.releases import (
    ReleaseFilter,
    ScheduledRelease,
    UpstreamGenre,
    UpstreamRelease,
    UpstreamReleasePage,
)
from app.utils.metrics import UPSTREAM_ITEMS_SKIPPED
from app.utils.redis.rate_limit import Rate
from app.utils.text.cleaning import INT_MAX

ANILIBRIA = Policy("anilibria", "AniLibria", size_limit=8_000_000)
ANILIBRIA_RATE = Rate.of(per_second=10, per_minute=300)  # undocumented; its own site sends more
PAGE_SIZE = 50  # the maximum the API accepts

_ANY = ReleaseFilter()
_SEASONS = {"fall": "autumn"}
_STATUSES = {"airing": "IS_ONGOING", "finished": "IS_NOT_ONGOING"}

T = TypeVar("T")


class AniLibriaClient(Client):
    """Every method raises ``NotFound`` if AniLibria has no such resource, otherwise ``UpstreamFailure``."""

    policy = ANILIBRIA

    def __init__(self, base_url: str, **options: Any) -> None:
        super().__init__(base_url, **options)
        site = site_of(base_url)
        self._release: Callable[[object], UpstreamRelease] = partial(map_release, site=site)
        self._scheduled: Callable[[object], ScheduledRelease] = partial(map_scheduled, site=site)
        self._genre: Callable[[object], UpstreamGenre] = partial(map_genre, site=site)

    async def get_release(self, release_id: int, *, deadline: Deadline = USER) -> UpstreamRelease:
        """A release with all its episodes."""
        if not 1 <= release_id <= INT_MAX:
            raise NotFound(f"AniLibria has no release {release_id}.")
        body = await self._get("anime", "releases", release_id, deadline=deadline)
        release = _understood(self._release, item_of(body))
        if release.external_id != release_id:
            raise UpstreamError(f"AniLibria returned release {release.external_id} instead of {release_id}.")
        return release

    async def list_latest(self, *, limit: int, deadline: Deadline = USER) -> list[UpstreamRelease]:
        """The releases with the newest episodes, each with that episode; ``limit`` is at most 50."""
        body = await self._get("anime", "releases", "latest", query={"limit": limit}, deadline=deadline)
        return _listed(self._release, body)

    async def list_catalogue(
        self,
        page: int,
        *,
        limit: int = PAGE_SIZE,
        sorting: str = "FRESH_AT_DESC",
        wanted: ReleaseFilter = _ANY,
        genre_ids: tuple[int, ...] = (),
        deadline: Deadline = USER,
    ) -> UpstreamReleasePage:
        """A page of the catalogue, without episodes; ``page`` starts at 1, ``limit`` is at most 50."""
        query = {"page": page, "limit": limit, "f[sorting]": sorting, **_filters(wanted, genre_ids)}
        body = await self._get("anime", "catalog", "releases", query=query, deadline=deadline)
        items, skipped = all_of(_understood(items_of, body), self._release)
        if skipped:
            UPSTREAM_ITEMS_SKIPPED.labels(ANILIBRIA.name).inc(skipped)
        total, pages = paging_of(body)
        if pages is None:  # not stated: there may be another page unless this one is not full
            pages = page + (len(items) + skipped >= limit)
        if total is None:
            total = (page - 1) * limit + len(items)
        return UpstreamReleasePage(tuple(items), total, pages, skipped)

    async def search(self, query: str, *, deadline: Deadline = USER) -> list[UpstreamRelease]:
        """The best matches in AniLibria's order, without genres and episodes."""
        body = await self._get("app", "search", "releases", query={"query": query}, deadline=deadline)
        return _listed(self._release, body)

    async def random(self, *, deadline: Deadline = USER) -> UpstreamRelease:
        body = await self._get("anime", "releases", "random", query={"limit": 1}, deadline=deadline)
        found = _listed(self._release, body)
        if not found:
            raise UpstreamError("AniLibria returned no random release.")
        return found[0]

    async def schedule(self, *, deadline: Deadline = USER) -> list[ScheduledRelease]:
        """The episodes scheduled for the next seven days."""
        return _listed(self._scheduled, await self._get("anime", "schedule", "week", deadline=deadline))

    async def genres(self, *, deadline: Deadline = USER) -> list[UpstreamGenre]:
        return _listed(self._genre, await self._get("anime", "genres", deadline=deadline))

    async def probe(self, *, deadline: Deadline = USER) -> None:
        """Check that the API is reachable."""
        await self._get("app", "status", deadline=deadline)

    async def _get(
        self, *parts: str | int, query: Mapping[str, str | int] | None = None, deadline: Deadline
    ) -> Any:
        return await self._upstream.ask(Request(path_of(parts), query or {}, shapes=(dict, list)), deadline)


def _understood(mapped: Callable[[object], T], body: object) -> T:
    try:
        return mapped(body)
    except MappingError as fault:
        raise UpstreamError(f"AniLibria's response cannot be mapped: {fault}.") from fault


def _listed(mapped: Callable[[object], T], body: object) -> list[T]:
    """The items of a list; those that cannot be mapped are skipped and counted."""
    items: list[T]
    items, skipped = all_of(_understood(items_of, body), mapped)
    if skipped:
        UPSTREAM_ITEMS_SKIPPED.labels(ANILIBRIA.name).inc(skipped)
    return items


def _filters(wanted: ReleaseFilter, genre_ids: tuple[int, ...]) -> dict[str, str | int]:
    said: dict[str, str | int | None] = {
        "f[search]": wanted.search,
        "f[years][from_year]": wanted.year,
        "f[years][to_year]": wanted.year,
        "f[seasons]": _SEASONS.get(wanted.season, wanted.season) if wanted.season else None,
        "f[publish_statuses]": _STATUSES.get(wanted.status) if wanted.status else None,
        "f[genres]": ",".join(map(str, genre_ids)) or None,
    }
    return {name: value for name, value in said.items() if value is not None}
