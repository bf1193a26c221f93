"""Authentication of requests: the account behind an access token or a personal API token."""

from datetime import timedelta

from app.errors import Unauthenticated
from app.repositories.callers import CallerRepository
from app.repositories.tokens import TokenRepository
from app.schemas.domain.accounts import Principal
from app.services.accounts.blacklist import Blacklist
from app.services.accounts.token_issuer import TokenIssuer
from app.utils.clock import Clock, utc_now
from app.utils.crypto.jwt import BadToken
from app.utils.crypto.refresh_tokens import digest
from app.utils.db.database import Database, DatabaseUnavailable

API_TOKEN_PREFIX = "ant_"  # makes tokens recognisable, also for secret scanners

_LAST_USED_RESOLUTION = timedelta(minutes=1)  # so that a busy token does not cost a write per request


class AuthenticationService:
    """Authenticates the bearer token of a request.

    The row of the session or token is read each time, so that revoked ones are rejected immediately. Redis is
    only asked while PostgreSQL is down: a signed-out token is rejected then too.
    """

    def __init__(
        self, db: Database, issuer: TokenIssuer, blacklist: Blacklist, *, clock: Clock = utc_now
    ) -> None:
        self._db = db
        self._issuer = issuer
        self._blacklist = blacklist
        self._clock = clock

    async def authenticate(self, token: str) -> Principal:
        """The account of the token; raises :class:`Unauthenticated` if the token is not valid."""
        if token.startswith(API_TOKEN_PREFIX):
            return await self._by_api_token(token)
        try:
            claims = self._issuer.access.read(token)
        except BadToken:
            raise Unauthenticated from None
        try:
            async with self._db.driver(fresh_plans=None) as driver:
                caller = await CallerRepository(driver).find_by_session(
                    claims.session_id, claims.user_id, now=self._clock(), expires_at=claims.expires_at
                )
        except DatabaseUnavailable:
            if await self._blacklist.has(claims.token_id):
                raise Unauthenticated from None
            raise
        if caller is None:
            raise Unauthenticated
        return caller

    async def _by_api_token(self, token: str) -> Principal:
        now = self._clock()
        async with self._db.driver(fresh_plans=None) as driver:
            found = await CallerRepository(driver).find_by_token(digest(token), now)
        if found is None:
            raise Unauthenticated
        caller, token_id, noted_at = found
        if noted_at is None or now - noted_at > _LAST_USED_RESOLUTION:
            async with self._db.transaction() as tx:
                await TokenRepository(tx).note_use(token_id, now)
        return caller
