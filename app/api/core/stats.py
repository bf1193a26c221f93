"""Statistics of a list."""

from fastapi import APIRouter, Request, Response

from app.api.access import CheckedRoute, access
from app.api.conditional import private_answer
from app.api.deps import CurrentUser, Services
from app.api.openapi.failures import KNOWN_ALREADY
from app.schemas.core.stats import StatsOut

router = APIRouter(prefix="/users/me/stats", tags=["list"], route_class=CheckedRoute)


@router.get("", response_model=StatsOut, responses=KNOWN_ALREADY)
@access("read:content")
async def get_stats(request: Request, user: CurrentUser, services: Services) -> Response:
    """Get statistics of your anime list: counts, time, scores, genres, formats, years, daily activity."""
    return private_answer(request, await services.library.stats.get(user.user_id))
