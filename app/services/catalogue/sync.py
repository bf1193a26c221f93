"""Synchronise the catalogue with MyAnimeList: a title, the top list, a season, or stale titles."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from app.errors import NotFound
from app.external.base.client import JOB, UPKEEP
from app.external.jikan.client import PAGE_SIZE, JikanClient
from app.repositories.refreshes import RefreshRepository
from app.schemas.domain.anime import Season, UpstreamPage
from app.schemas.domain.jobs import EnqueuedJob
from app.schemas.jobs import Job, SyncAnime, SyncSeason, SyncTop
from app.services.catalogue.ingest import CatalogueIngest
from app.services.catalogue.negative_cache import NegativeCache
from app.services.catalogue.refresh_queue import RefreshQueue
from app.services.catalogue.staleness import stale_before
from app.services.jobs import JobService
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database

Progress = Callable[[int, int | None], Awaitable[None]]
Fetch = Callable[[int], Awaitable[UpstreamPage]]

_MOST_PAGES = 200  # more than any season or top list; guards against pagination that never ends
_SEASONS: tuple[Season, ...] = ("winter", "spring", "summer", "fall")


class CatalogueSync:
    def __init__(
        self,
        db: Database,
        jikan: JikanClient,
        jobs: JobService,
        *,
        ingest: CatalogueIngest,
        refresh_queue: RefreshQueue,
        absent: NegativeCache,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self._jikan = jikan
        self._jobs = jobs
        self._ingest = ingest
        self._refresh_queue = refresh_queue
        self._absent = absent
        self._clock = clock

    async def request_anime(self, mal_id: int, *, owner_id: int | None) -> EnqueuedJob:
        """Queue the sync of a title; returns the existing job if one is queued or running."""
        return await self._request(SyncAnime(mal_id), owner_id)

    async def request_top(self, limit: int, *, owner_id: int | None) -> EnqueuedJob:
        return await self._request(SyncTop(limit), owner_id)

    async def request_season(
        self, year: int | None, season: Season | None, *, owner_id: int | None
    ) -> EnqueuedJob:
        """Queue the sync of a season; year and season default to the current ones."""
        now_year, now_season = current_season(self._clock())
        return await self._request(SyncSeason(year or now_year, season or now_season), owner_id)

    async def sync_anime(self, mal_id: int, *, ordered: asyncio.Event | None = None) -> None:
        """Fetch and store a title; raises :class:`NotFound` if MyAnimeList does not have it.

        With ``ordered`` the call has upkeep priority until that event is set.
        """
        deadline = JOB if ordered is None else replace(UPKEEP, promoted=ordered)
        try:
            title = await self._jikan.get_anime(mal_id, deadline=deadline)
        except NotFound:
            await self._ingest.touch(mal_id)  # a deleted title must not be requested again immediately
            raise await self._absent.note(mal_id) from None
        await self._ingest.store([title])
        await self._absent.forget(mal_id)

    async def sync_top(self, limit: int, progress: Progress) -> None:
        """Store the top ``limit`` titles from list pages, one transaction per page."""
        await self._sync_pages(
            lambda page: self._jikan.list_top(page, deadline=JOB), progress, max_titles=limit
        )

    async def sync_season(self, year: int, season: Season, progress: Progress) -> None:
        """Store all titles that start in the season."""
        await self._sync_pages(
            lambda page: self._jikan.list_season(year, season, page, deadline=JOB), progress
        )

    async def refresh_stale(self) -> int:
        """Queue refreshes of stale titles, airing ones first; returns how many."""
        room = await self._refresh_queue.room()
        if room == 0:
            return 0
        async with self._db.reader() as connection:
            stale = await RefreshRepository(connection).list_stale(stale_before(self._clock()), limit=room)
        return await self._refresh_queue.queue(stale)

    async def _request(self, job: Job, owner_id: int | None) -> EnqueuedJob:
        return await self._jobs.submit(job, owner_id=owner_id)

    async def _sync_pages(self, fetch: Fetch, progress: Progress, *, max_titles: int | None = None) -> None:
        """Lists shift while they are read, so a title may appear twice; it is stored and counted once."""
        seen: set[int | None] = set()
        pages = _MOST_PAGES if max_titles is None else -(-max_titles // PAGE_SIZE)
        await progress(0, max_titles)
        for number in range(1, pages + 1):
            page = await fetch(number)
            new = [title for title in page.items if title.mal_id not in seen]
            new = new if max_titles is None else new[: max_titles - len(seen)]
            await self._ingest.store(new)
            seen.update(title.mal_id for title in new)
            if not page.has_next or not (new or page.skipped):
                break
            await progress(len(seen), _least(page.total, max_titles))
        await progress(len(seen), len(seen))


def _least(*totals: int | None) -> int | None:
    return min((total for total in totals if total is not None), default=None)


def current_season(now: datetime) -> tuple[int, Season]:
    """The year and season at a time; a season is a quarter of the year."""
    return now.year, _SEASONS[(now.month - 1) // 3]
