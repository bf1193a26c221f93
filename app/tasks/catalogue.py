"""Jobs that keep the catalogue up to date with MyAnimeList."""

from app.container import Container
from app.schemas.jobs import RefreshStale, SyncAnime, SyncSeason, SyncTop
from app.services.jobs import JobRun
from app.tasks.registry import handles


@handles(SyncAnime)
async def sync_anime(job: SyncAnime, services: Container, run: JobRun) -> None:
    await services.catalogue.sync.sync_anime(job.mal_id, ordered=run.ordered)


@handles(SyncTop)
async def sync_top(job: SyncTop, services: Container, run: JobRun) -> None:
    await services.catalogue.sync.sync_top(job.limit, run.progress)


@handles(SyncSeason)
async def sync_season(job: SyncSeason, services: Container, run: JobRun) -> None:
    await services.catalogue.sync.sync_season(job.year, job.season, run.progress)


@handles(RefreshStale)
async def refresh_stale(_: RefreshStale, services: Container, __: JobRun) -> None:
    await services.catalogue.sync.refresh_stale()
