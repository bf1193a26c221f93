"""Accounts, in the format of the tracker's clients."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.security import OAuth2PasswordRequestForm

from app.api.access import CheckedRoute, access
from app.api.deps import CurrentUser, Services
from app.api.limits import CurrentClient
from app.api.openapi.failures import failures
from app.errors import AppError, BadRequest, RegistrationClosed, Taken
from app.schemas.core.auth import TokensOut
from app.schemas.tracker.auth import MeOut, RegisteredOut, RegisterIn
from app.services.accounts.sessions import WrongCredentials

router = APIRouter(prefix="/api/auth", tags=["tracker: auth"], route_class=CheckedRoute)


@router.post("/token", responses=failures(BadRequest))
@access("public")
async def issue_token(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], client: CurrentClient, services: Services
) -> TokensOut:
    """Sign in with the OAuth2 password form, as Swagger's Authorize button does."""
    with _as_bad_request(WrongCredentials, "Incorrect username or password"):
        tokens = await services.accounts.sessions.sign_in(form.username, form.password, client)
    return TokensOut.of(tokens)


@router.post("/register", responses=failures(BadRequest, RegistrationClosed))
@access("public")
async def register(body: RegisterIn, client: CurrentClient, services: Services) -> RegisteredOut:
    """Create an account; 403 `REGISTRATION_CLOSED` if only operators can."""
    with _as_bad_request(Taken, "Username already exists"):
        account = await services.accounts.registration.sign_up(
            client, username=body.username, password=body.password, full_name=body.full_name
        )
    return RegisteredOut.of(account)


@router.get("/me")
@access("read:profile")
async def get_me(user: CurrentUser, services: Services) -> MeOut:
    """Get the signed-in account."""
    return MeOut.of(await services.accounts.users.get_own(user))


@contextmanager
def _as_bad_request(failure: type[AppError], message: str) -> Iterator[None]:
    """This surface's clients expect 400 with this text where the core surface has 401 or 409."""
    try:
        yield
    except failure as error:
        raise BadRequest(message, details=error.details) from error
