"""Jikan's responses, passed through unchanged."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.api.access import CheckedRoute, access
from app.api.conditional import CACHED, cached_answer
from app.api.core.mal import MalId
from app.api.deps import Services
from app.api.limits import ClientGroup, limited
from app.api.openapi.failures import failures
from app.api.sync_query import SearchQuery, TopQuery
from app.errors import Invalid, NotFound, RateLimited, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.utils.redis.quotas import Quota

READS = Quota("jikan", 600, 60)

_RESPONSES = CACHED | failures(Invalid, RateLimited, UpstreamError, UpstreamUnavailable, UpstreamTimeout)

router = APIRouter(
    prefix="/anime/jikan", tags=["jikan"], route_class=CheckedRoute, dependencies=[limited(READS)]
)


@router.get("/top", response_model=list[dict[str, Any]], responses=_RESPONSES)
@access("public")
async def list_jikan_top(
    query: Annotated[TopQuery, Query()], request: Request, client: ClientGroup, services: Services
) -> Response:
    """Get a page of Jikan's top anime, as Jikan returns it."""
    answer = await services.catalogue.jikan.top(page=query.page, limit=query.limit, client=client)
    return cached_answer(request, answer)


@router.get("/search", response_model=list[dict[str, Any]], responses=_RESPONSES)
@access("public")
async def search_jikan(
    query: Annotated[SearchQuery, Query()], request: Request, client: ClientGroup, services: Services
) -> Response:
    """Search anime on Jikan, as Jikan returns it; at most 25 results."""
    return cached_answer(request, await services.catalogue.jikan.search(query.words, client=client))


@router.get("/{mal_id}", response_model=dict[str, Any], responses=_RESPONSES | failures(NotFound))
@access("public")
async def get_jikan_anime(
    mal_id: MalId, request: Request, client: ClientGroup, services: Services
) -> Response:
    """Get Jikan's full data for one anime, as Jikan returns it."""
    return cached_answer(request, await services.catalogue.jikan.anime(mal_id, client=client))
