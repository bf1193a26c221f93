"""Accounts in the words of the tracker's clients."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.security import OAuth2PasswordRequestForm

from app.api.deps import CurrentUser, Services
from app.api.visitors import CurrentVisitor
from app.errors import BadRequest, Taken
from app.schemas.core.auth import TokensOut
from app.schemas.tracker.auth import MeOut, RegisteredOut, RegisterIn
from app.services.sessions import WrongCredentials

router = APIRouter(prefix="/api/auth", tags=["tracker: auth"])


@router.post("/token")
async def issue_token(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], visitor: CurrentVisitor, services: Services
) -> TokensOut:
    """Sign in with the form of OAuth2's password grant, as Swagger's Authorize does."""
    try:
        tokens = await services.sessions.sign_in(form.username, form.password, visitor)
    except WrongCredentials as error:
        raise BadRequest("Incorrect username or password") from error
    return TokensOut.of(tokens)


@router.post("/register")
async def register(body: RegisterIn, visitor: CurrentVisitor, services: Services) -> RegisteredOut:
    """Make an account."""
    try:
        account = await services.accounts.sign_up(
            visitor, username=body.username, password=body.password, full_name=body.full_name
        )
    except Taken as error:
        raise BadRequest("Username already exists") from error
    return RegisteredOut.of(account)


@router.get("/me")
async def get_me(user: CurrentUser, services: Services) -> MeOut:
    """Who is signed in."""
    return MeOut.of(await services.users.get(user.user_id))
