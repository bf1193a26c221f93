"""Where one is signed in, and ending that."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from app.api.deps import CurrentUser, Services
from app.schemas.core.sessions import SessionOut

router = APIRouter(prefix="/auth", tags=["auth"])


@router.get("/sessions")
async def list_sessions(user: CurrentUser, services: Services) -> list[SessionOut]:
    """One's sessions, the last used first."""
    sessions = await services.sessions.list(user.user_id)
    return [SessionOut.of(session, current=user.session_id) for session in sessions]


@router.delete("/sessions/{session_id}", status_code=204)
async def end_session(session_id: Annotated[UUID, Path()], user: CurrentUser, services: Services) -> None:
    """End one of one's sessions; its access tokens end with it."""
    await services.sessions.end(user.user_id, session_id)


@router.post("/logout-all", status_code=204)
async def end_all_sessions(user: CurrentUser, services: Services) -> None:
    """Sign out everywhere, here too."""
    await services.sessions.end_all(user)
