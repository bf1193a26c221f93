"""Syncs of the catalogue with MyAnimeList, as jobs."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.api.access import access
from app.api.core.mal import MalId
from app.api.deps import CurrentUser, Services
from app.api.idempotency import HONOURS_KEY, IdempotentRoute
from app.api.limits import limited
from app.api.openapi.failures import failures
from app.api.sync_query import SyncSeasonQuery, SyncTopQuery
from app.errors import Invalid, RateLimited, ServiceUnavailable
from app.schemas.core.jobs import QueuedJobOut
from app.utils.redis.quotas import Quota

ORDERS = Quota("sync", 1200, 60)

router = APIRouter(
    prefix="/anime/sync",
    tags=["sync"],
    route_class=IdempotentRoute,
    dependencies=[limited(ORDERS), HONOURS_KEY],
    responses=failures(Invalid, RateLimited, ServiceUnavailable),
)


@router.post("/top", status_code=202)
@access("write:catalog")
async def sync_top(
    query: Annotated[SyncTopQuery, Query()], user: CurrentUser, services: Services
) -> QueuedJobOut:
    """Sync the top-rated anime from MyAnimeList as a background job."""
    return QueuedJobOut.of(await services.catalogue.sync.request_top(query.limit, owner_id=user.user_id))


@router.post("/season", status_code=202)
@access("write:catalog")
async def sync_season(
    query: Annotated[SyncSeasonQuery, Query()], user: CurrentUser, services: Services
) -> QueuedJobOut:
    """Sync a season from MyAnimeList as a background job; the current season by default."""
    job = await services.catalogue.sync.request_season(query.year, query.season, owner_id=user.user_id)
    return QueuedJobOut.of(job)


@router.post("/{mal_id}", status_code=202)
@access("write:catalog")
async def sync_anime(mal_id: MalId, request: Request, user: CurrentUser, services: Services) -> QueuedJobOut:
    """Sync one anime from MyAnimeList as a background job."""
    return QueuedJobOut.of(await services.catalogue.sync.request_anime(mal_id, owner_id=user.user_id))
