"""Releases and their cache, for other services of the operator."""

from fastapi import APIRouter

from app.api.access import CheckedRoute, access
from app.api.deps import Services
from app.api.openapi.failures import failures
from app.errors import Invalid
from app.schemas.domain.jobs import EnqueuedJob
from app.schemas.internal.releases import (
    CacheStatsOut,
    ClearCacheIn,
    ClearCacheOut,
    NotifyIn,
    SyncTitleIn,
    SyncTitleOut,
)
from app.schemas.release_jobs import SyncRelease
from app.utils.clock import utc_now

router = APIRouter(prefix="/internal", tags=["internal"], route_class=CheckedRoute)


@router.post("/sync/title", status_code=202)
@access("service")
async def sync_title(body: SyncTitleIn, services: Services) -> SyncTitleOut:
    """Queue a sync of a title from AniLibria; a title that is queued already is not queued again."""
    job = await services.jobs.submit(SyncRelease(body.title_id, body.force, body.priority))
    return _queued(job)


@router.post("/anilibria/notify", status_code=202)
@access("service")
async def notify(body: NotifyIn, services: Services) -> SyncTitleOut:
    """Report that a title has changed; queues a sync from AniLibria."""
    return _queued(await services.jobs.submit(SyncRelease(body.title_id, force=True, priority="high")))


@router.get("/cache/stats")
@access("service")
async def read_cache_stats(services: Services) -> CacheStatsOut:
    """Get the hit rate of each cache level."""
    titles = services.releases.titles
    return CacheStatsOut(
        namespace=titles.namespace,
        hit_rate=titles.hit_rates,
        titles_known=await services.releases.reading.count(),
        timestamp=utc_now(),
    )


@router.delete("/cache/clear", responses=failures(Invalid))
@access("service")
async def clear_cache(body: ClearCacheIn, services: Services) -> ClearCacheOut:
    """Delete cached data that matches a pattern, in all processes; database rows are only marked stale."""
    await services.releases.titles.clear(body.pattern)
    return ClearCacheOut(cleared=True, pattern=body.pattern)


def _queued(job: EnqueuedJob) -> SyncTitleOut:
    outcome = "queued" if job.created else "already queued"
    return SyncTitleOut(
        job_id=job.id,
        key=job.key,
        status=job.status,
        status_url=f"/jobs/{job.id}",
        message=f"The sync is {outcome}.",
    )
