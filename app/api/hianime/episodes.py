"""Servers and streams of an episode at HiAnime: only URLs, no media pass through this service."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api.access import CheckedRoute, access
from app.api.conditional import cached_answer
from app.api.deps import Services
from app.api.hianime.answers import READS, RESPONSES, PassedOnOut
from app.api.hianime.queries import ServersQuery, SourcesQuery
from app.api.limits import ClientGroup, limited

router = APIRouter(
    prefix="/api/episode", tags=["hianime"], route_class=CheckedRoute, dependencies=[limited(READS)]
)


@router.get("/servers", response_model=PassedOnOut, responses=RESPONSES)
@access("public")
async def list_servers(
    query: Annotated[ServersQuery, Query()], request: Request, client: ClientGroup, services: Services
) -> Response:
    """List the servers of an episode."""
    return cached_answer(request, await services.hianime.servers(query.episode_id, client=client))


@router.get("/sources", response_model=PassedOnOut, responses=RESPONSES)
@access("public")
async def list_sources(
    query: Annotated[SourcesQuery, Query()], request: Request, client: ClientGroup, services: Services
) -> Response:
    """List the streams, subtitles and intro/outro times of an episode on one server."""
    return cached_answer(request, await services.hianime.sources(query.asked(), client=client))
