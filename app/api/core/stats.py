"""Figures of one's list."""

from fastapi import APIRouter, Response

from app.api.access import CheckedRoute, access
from app.api.deps import CurrentUser, Services
from app.schemas.core.stats import StatsOut

router = APIRouter(prefix="/users/me/stats", tags=["list"], route_class=CheckedRoute)


@router.get("", response_model=StatsOut)
@access("read:content")
async def get_stats(user: CurrentUser, services: Services) -> Response:
    """Get statistics of your anime list: counts, time, scores, genres, formats, years, daily activity."""
    return Response(await services.library.stats.get(user.user_id), media_type="application/json")
