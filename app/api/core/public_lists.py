"""Public profiles and lists."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.api.access import CheckedRoute, access
from app.api.deps import Services, page_headers
from app.api.library_query import PublicListQuery
from app.api.openapi.failures import failures
from app.errors import NotFound
from app.schemas.core.library import PublicEntryOut
from app.schemas.core.stats import StatsOut
from app.schemas.core.users import PublicProfileOut
from app.schemas.fields import Id

router = APIRouter(prefix="/users", tags=["users"], route_class=CheckedRoute)

UserId = Annotated[Id, Path()]


@router.get("/by-name/{username}")
@access("public")
async def get_user_by_name(
    username: Annotated[str, Path(max_length=32)], services: Services
) -> PublicProfileOut:
    """Get the public profile of an account whose list is public, by its user name in any case."""
    return PublicProfileOut.of(await services.accounts.users.get_public(username))


@router.get(
    "/{user_id}/list",
    response_model=list[PublicEntryOut],
    openapi_extra=PublicListQuery.parameters(),
    responses=failures(NotFound),
)
@access("public")
async def list_public_entries(user_id: UserId, services: Services, request: Request) -> Response:
    """List the anime of a user whose list is public, without private entries."""
    query = PublicListQuery.read(request)
    page = await services.library.entries.list_public(
        user_id, query.wanted(), query.public_shape, limit=query.limit, offset=query.start
    )
    headers = page_headers(request, query, page.total)
    return Response(page.body, headers=headers, media_type="application/json")


@router.get("/{user_id}/stats", response_model=StatsOut, responses=failures(NotFound))
@access("public")
async def get_public_stats(user_id: UserId, services: Services) -> Response:
    """Get statistics of a user whose list is public, without private entries."""
    return Response(await services.library.stats.get_public(user_id), media_type="application/json")
