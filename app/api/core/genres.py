"""Genres, themes and demographics."""

from fastapi import APIRouter, Request, Response

from app.api.access import CheckedRoute, access
from app.api.catalogue_query import GenresQuery
from app.api.conditional import catalogue_answer
from app.api.deps import Services
from app.api.openapi.failures import KNOWN_ALREADY, failures
from app.errors import Invalid, ServiceUnavailable
from app.schemas.core.anime import GenreOut

router = APIRouter(prefix="/genres", tags=["catalogue"], route_class=CheckedRoute)


@router.get(
    "",
    response_model=list[GenreOut],
    openapi_extra=GenresQuery.parameters(),
    responses=KNOWN_ALREADY | failures(Invalid, ServiceUnavailable),
)
@access("public")
async def list_genres(request: Request, services: Services) -> Response:
    """List genres, themes and demographics with the number of anime in each."""
    query = GenresQuery.read(request)
    return catalogue_answer(await services.catalogue.anime.genres(query.kind, sfw=query.sfw))
