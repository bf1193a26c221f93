"""Title search."""

from fastapi import APIRouter, Request, Response

from app.api.access import CheckedRoute, access
from app.api.catalogue_query import SearchQuery
from app.api.conditional import catalogue_page
from app.api.deps import Services
from app.api.limits import SEARCHES, limited
from app.api.openapi.failures import KNOWN_ALREADY, failures
from app.errors import Invalid, RateLimited, ServiceUnavailable
from app.schemas.core.anime import AnimeOut

router = APIRouter(
    prefix="/search", tags=["catalogue"], route_class=CheckedRoute, dependencies=[limited(SEARCHES)]
)


@router.get(
    "/anime",
    response_model=list[AnimeOut],
    openapi_extra=SearchQuery.parameters(),
    responses=KNOWN_ALREADY | failures(Invalid, RateLimited, ServiceUnavailable),
)
@access("public")
async def search_anime(request: Request, services: Services) -> Response:
    """Search anime by any title, synonym or script, best matches first; tolerates typos."""
    query = SearchQuery.read(request)
    page = await services.catalogue.anime.search(query.q, query.part, safe=query.sfw)
    return catalogue_page(request, query, page)
