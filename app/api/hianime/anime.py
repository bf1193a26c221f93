"""One title of HiAnime and its episodes."""

from fastapi import APIRouter, Request, Response

from app.api.access import CheckedRoute, access
from app.api.conditional import cached_answer
from app.api.deps import Services
from app.api.hianime.answers import READS, RESPONSES, PassedOnOut
from app.api.hianime.queries import SlugPath
from app.api.limits import ClientGroup, limited

router = APIRouter(
    prefix="/api/anime", tags=["hianime"], route_class=CheckedRoute, dependencies=[limited(READS)]
)


@router.get("/{slug}", response_model=PassedOnOut, responses=RESPONSES)
@access("public")
async def get_anime(slug: SlugPath, request: Request, client: ClientGroup, services: Services) -> Response:
    """Get a title by its slug."""
    return cached_answer(request, await services.hianime.anime(slug, client=client))


@router.get("/{slug}/episodes", response_model=PassedOnOut, responses=RESPONSES)
@access("public")
async def list_episodes(
    slug: SlugPath, request: Request, client: ClientGroup, services: Services
) -> Response:
    """List all episodes of a title."""
    return cached_answer(request, await services.hianime.episodes(slug, client=client))
