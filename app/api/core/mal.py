"""A title by its MyAnimeList id, from the catalogue or from MyAnimeList."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.api.access import CheckedRoute, access
from app.api.catalogue_query import TitleQuery
from app.api.conditional import CACHED, cached_answer
from app.api.deps import Services
from app.api.limits import ClientGroup
from app.api.openapi.failures import failures
from app.errors import Invalid, NotFound, RateLimited, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.schemas.core.anime import AnimeOut
from app.schemas.fields import Id

router = APIRouter(prefix="/anime/mal", tags=["catalogue"], route_class=CheckedRoute)

MalId = Annotated[Id, Path()]


@router.get(
    "/{mal_id}",
    response_model=AnimeOut,
    openapi_extra=TitleQuery.parameters(),
    responses=CACHED
    | failures(NotFound, Invalid, RateLimited, UpstreamError, UpstreamUnavailable, UpstreamTimeout),
)
@access("public")
async def get_anime_by_mal_id(
    mal_id: MalId, request: Request, client: ClientGroup, services: Services
) -> Response:
    """Get an anime by its MyAnimeList id; fetched from MyAnimeList and stored if it is missing."""
    query = TitleQuery.read(request)
    return cached_answer(request, await services.catalogue.lookup.get(mal_id, query.keys, client=client))
