"""Registration, sign-in, token refresh, sign-out."""

from fastapi import APIRouter

from app.api.access import CheckedRoute, access
from app.api.deps import BearerToken, Services
from app.api.limits import CurrentClient
from app.api.openapi.failures import failures
from app.errors import Conflict, RegistrationClosed, Unauthenticated
from app.schemas.core.auth import LoginIn, LogoutIn, RefreshIn, RegisterIn, TokensOut

router = APIRouter(prefix="/auth", tags=["auth"], route_class=CheckedRoute)


@router.post("/register", status_code=201, responses=failures(Conflict, RegistrationClosed))
@access("public")
async def register(body: RegisterIn, client: CurrentClient, services: Services) -> TokensOut:
    """Create an account and sign in. Without a username, one is derived from the e-mail address.

    Answers 403 `REGISTRATION_CLOSED` where only operators create accounts (`REGISTRATION=closed`).
    """
    tokens = await services.accounts.registration.register(
        client,
        username=body.username,
        email=body.email,
        password=body.password,
        full_name=body.full_name,
    )
    return TokensOut.of(tokens)


@router.post("/login", responses=failures(Unauthenticated))
@access("public")
async def login(body: LoginIn, client: CurrentClient, services: Services) -> TokensOut:
    """Sign in with a username or an e-mail address."""
    return TokensOut.of(await services.accounts.sessions.sign_in(body.identifier, body.password, client))


@router.post("/refresh", responses=failures(Unauthenticated))
@access("public")
async def refresh_tokens(body: RefreshIn, client: CurrentClient, services: Services) -> TokensOut:
    """Exchange a refresh token for a new token pair.

    A token that was already exchanged returns the same successor until that successor is used; after that,
    reusing it ends the session.
    """
    return TokensOut.of(await services.accounts.sessions.refresh(body.refresh_token, client))


@router.post("/logout", status_code=204)
@access("public")
async def logout(bearer: BearerToken, services: Services, body: LogoutIn | None = None) -> None:
    """Sign out: end the session of the access token, of the refresh token, or of both."""
    await services.accounts.sessions.sign_out(
        access_token=bearer, refresh_token=body.refresh_token if body else None
    )
