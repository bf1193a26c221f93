"""Personal API tokens."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.api.deps import CurrentUser, Services
from app.schemas.core.sessions import ApiTokenIn, ApiTokenOut, MintedTokenOut
from app.schemas.fields import Id

router = APIRouter(prefix="/auth/tokens", tags=["auth"])


@router.get("")
async def list_tokens(user: CurrentUser, services: Services) -> list[ApiTokenOut]:
    """One's live tokens, the newest first."""
    return [ApiTokenOut.of(token) for token in await services.tokens.list(user.user_id)]


@router.post("", status_code=201)
async def mint_token(body: ApiTokenIn, user: CurrentUser, services: Services) -> MintedTokenOut:
    """Make a token for a program. Its text is in this answer and nowhere else."""
    token, secret = await services.tokens.mint(
        user, name=body.name, scopes=body.scopes, days=body.expires_in_days
    )
    return MintedTokenOut(**ApiTokenOut.of(token).model_dump(), token=secret)


@router.delete("/{token_id}", status_code=204)
async def revoke_token(token_id: Annotated[Id, Path()], user: CurrentUser, services: Services) -> None:
    """Revoke a token; it ends at once."""
    await services.tokens.revoke(user.user_id, token_id)
