"""Personal API tokens: limited to scopes and a lifetime, shown once."""

import secrets
from collections.abc import Sequence
from datetime import timedelta

from app.errors import Conflict, Invalid, NotFound
from app.repositories.tokens import TokenRepository
from app.schemas.domain.accounts import ApiToken, Permission, Principal
from app.services.accounts import API_TOKEN_PREFIX, audit
from app.utils.clock import Clock, utc_now
from app.utils.crypto.refresh_tokens import digest
from app.utils.db.database import Database

MOST_LIVE = 50
_HINT = 10  # characters of a token that remain visible, including the prefix


class TokenService:
    def __init__(self, db: Database, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._clock = clock

    async def mint(
        self, user: Principal, *, name: str, scopes: Sequence[Permission], days: int
    ) -> tuple[ApiToken, str]:
        """Create a token; returns it with its secret text, which is not stored."""
        beyond = [scope for scope in scopes if scope not in user.permissions]
        if beyond:
            raise Invalid.fields({"scopes": [f"Your account lacks {scope}." for scope in beyond]})
        secret, now = API_TOKEN_PREFIX + secrets.token_urlsafe(32), self._clock()
        async with self._db.transaction() as tx:
            tokens = TokenRepository(tx)
            if await tokens.count_live_for_update(user.user_id, now) >= MOST_LIVE:
                raise Conflict(f"You have {MOST_LIVE} tokens; revoke one first.")
            token = await tokens.insert(
                user.user_id,
                name=name,
                token_hash=digest(secret),
                hint=secret[:_HINT],
                scopes=sorted(set(scopes)),
                now=now,
                expires_at=now + timedelta(days=days),
            )
        audit("api_token.minted", user_id=user.user_id, api_id=token.id, scopes=token.scopes)
        return token, secret

    async def list(self, user_id: int, *, limit: int, offset: int) -> tuple[list[ApiToken], int]:
        """One page of the user's tokens, newest first, and their total number."""
        async with self._db.reader() as connection:
            tokens = TokenRepository(connection)
            return await tokens.list_by_user(user_id, self._clock(), limit=limit, offset=offset)

    async def revoke(self, user_id: int, token_id: int) -> None:
        async with self._db.transaction() as tx:
            if not await TokenRepository(tx).delete(token_id, user_id):
                raise NotFound("There is no such token.")
        audit("api_token.revoked", user_id=user_id, api_id=token_id)
