"""The history of a whole list."""

from fastapi import APIRouter, Request, Response

from app.api.access import CheckedRoute, access
from app.api.deps import CurrentUser, Paging, Services, set_page_headers
from app.schemas.core.history import HistoryLineOut

router = APIRouter(prefix="/users/me/history", tags=["list"], route_class=CheckedRoute)


@router.get("")
@access("read:content")
async def list_history(
    page: Paging, user: CurrentUser, services: Services, request: Request, response: Response
) -> list[HistoryLineOut]:
    """List what changed on your list, newest first; imports have reports of their own."""
    lines, total = await services.library.entries.list_history(
        user.user_id, limit=page.limit, offset=page.start
    )
    set_page_headers(request, response, page, total)
    return [HistoryLineOut.of(line) for line in lines]
