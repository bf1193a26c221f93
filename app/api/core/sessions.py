"""Sessions: listing and ending them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response

from app.api.access import CheckedRoute, access
from app.api.deps import CurrentUser, Paging, Services, set_page_headers
from app.schemas.core.sessions import SessionOut

router = APIRouter(prefix="/auth", tags=["auth"], route_class=CheckedRoute)


@router.get("/sessions")
@access("session")
async def list_sessions(
    page: Paging, user: CurrentUser, services: Services, request: Request, response: Response
) -> list[SessionOut]:
    """List your sessions, most recently used first."""
    sessions, total = await services.accounts.sessions.list(user.user_id, limit=page.limit, offset=page.start)
    set_page_headers(request, response, page, total)
    return [SessionOut.of(session, current=user.session_id) for session in sessions]


@router.delete("/sessions/{session_id}", status_code=204)
@access("session")
async def end_session(session_id: Annotated[UUID, Path()], user: CurrentUser, services: Services) -> None:
    """End one of your sessions and its access tokens."""
    await services.accounts.sessions.end(user.user_id, session_id)


@router.post("/logout-all", status_code=204)
@access("session")
async def end_all_sessions(user: CurrentUser, services: Services) -> None:
    """Sign out of all sessions, including this one."""
    await services.accounts.sessions.end_all(user)
