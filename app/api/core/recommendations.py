"""What to watch next."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.access import CheckedRoute, access
from app.api.deps import CurrentUser, Services
from app.schemas.core.recommendations import RecommendationOut, RecommendationQuery

router = APIRouter(prefix="/users/me/recommendations", tags=["list"], route_class=CheckedRoute)


@router.get("", response_model=list[RecommendationOut])
@access("read:content")
async def list_recommendations(
    query: Annotated[RecommendationQuery, Query()], user: CurrentUser, services: Services
) -> Response:
    """List recommended anime that are not on your list, each with a reason."""
    found = await services.recommendations.list(user.user_id, limit=query.limit)
    return Response(found, media_type="application/json")
