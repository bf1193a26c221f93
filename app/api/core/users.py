"""Accounts: one's own."""

from fastapi import APIRouter

from app.api.deps import CurrentUser, Services
from app.schemas.core.users import ProfileOut

router = APIRouter(prefix="/users", tags=["users"])


@router.get("/me")
async def get_me(user: CurrentUser, services: Services) -> ProfileOut:
    """One's own profile."""
    return ProfileOut.of(await services.accounts.get(user.user_id))
