"""Passwords: changing one's own, and resetting a forgotten one by e-mail."""

from fastapi import APIRouter, Response

from app.api.access import CheckedRoute, access
from app.api.deps import CurrentUser, Services
from app.api.limits import CurrentClient
from app.schemas.core.sessions import PasswordChangeIn, PasswordForgottenIn, PasswordResetIn

router = APIRouter(prefix="/auth/password", tags=["auth"], route_class=CheckedRoute)


@router.post("", status_code=204)
@access("session")
async def change_password(
    body: PasswordChangeIn, user: CurrentUser, client: CurrentClient, services: Services
) -> None:
    """Change your password; all your other sessions end."""
    await services.accounts.passwords.change(user, body.current_password, body.new_password, client)


@router.post("/forgot", status_code=202, response_class=Response)
@access("public")
async def forget_password(body: PasswordForgottenIn, client: CurrentClient, services: Services) -> Response:
    """Send a password reset token by e-mail. The answer is the same whether or not the account exists."""
    await services.accounts.passwords.forget(body.email, client)
    return Response(status_code=202)


@router.post("/reset", status_code=204)
@access("public")
async def reset_password(body: PasswordResetIn, client: CurrentClient, services: Services) -> None:
    """Set a new password with a reset token; all sessions and API tokens end."""
    await services.accounts.passwords.reset(body.token, body.new_password, client)
