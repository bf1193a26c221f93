"""Personal API tokens."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.api.access import access
from app.api.deps import CurrentUser, Paging, Services, set_page_headers
from app.api.idempotency import HONOURS_KEY, IdempotentRoute
from app.schemas.core.sessions import ApiTokenIn, ApiTokenOut, MintedTokenOut
from app.schemas.fields import Id

router = APIRouter(prefix="/auth/tokens", tags=["auth"], route_class=IdempotentRoute)


@router.get("")
@access("session")
async def list_tokens(
    page: Paging, user: CurrentUser, services: Services, request: Request, response: Response
) -> list[ApiTokenOut]:
    """List your active API tokens, newest first."""
    tokens, total = await services.accounts.tokens.list(user.user_id, limit=page.limit, offset=page.start)
    set_page_headers(request, response, page, total)
    return [ApiTokenOut.of(token) for token in tokens]


@router.post("", status_code=201, dependencies=[HONOURS_KEY])
@access("session")
async def mint_token(body: ApiTokenIn, user: CurrentUser, services: Services) -> MintedTokenOut:
    """Create an API token. The token itself is returned only once."""
    token, secret = await services.accounts.tokens.mint(
        user, name=body.name, scopes=body.scopes, days=body.expires_in_days
    )
    return MintedTokenOut(**ApiTokenOut.of(token).model_dump(), token=secret)


@router.delete("/{token_id}", status_code=204)
@access("session")
async def revoke_token(token_id: Annotated[Id, Path()], user: CurrentUser, services: Services) -> None:
    """Revoke an API token immediately."""
    await services.accounts.tokens.revoke(user.user_id, token_id)
