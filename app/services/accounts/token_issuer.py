"""Issue the tokens of sessions, with their lifetimes."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from app.repositories.accounts import AccountRepository
from app.repositories.sessions import SessionRepository
from app.schemas.domain.accounts import ClientInfo, TokenPair
from app.utils.clock import Clock, utc_now
from app.utils.crypto.jwt import AccessTokens
from app.utils.crypto.refresh_tokens import RefreshTokens, digest
from app.utils.db.database import Transaction

_MOST_SESSIONS = 500  # per account; the least recently used one is ended first


@dataclass(frozen=True)
class TokenIssuer:
    """``idle`` is the lifetime of an unused session, ``longest`` the maximum lifetime of any session."""

    access: AccessTokens
    refresh: RefreshTokens
    idle: timedelta = timedelta(days=7)
    longest: timedelta = timedelta(days=90)
    clock: Clock = utc_now

    async def open(self, tx: Transaction, user_id: int, client: ClientInfo) -> TokenPair:
        """Start a session, and remember its network as known to the account."""
        now = self.clock()
        session_id, expires_at = uuid4(), now + min(self.idle, self.longest)
        token = self.refresh.first(session_id)
        sessions = SessionRepository(tx)
        await sessions.insert(session_id, user_id, digest(token), client, now=now, expires_at=expires_at)
        await sessions.delete_surplus(user_id, keep=_MOST_SESSIONS, now=now)
        await AccountRepository(tx).note_address(user_id, client.network, now)
        access, seconds = self.access.issue(user_id, session_id, not_after=expires_at)
        return TokenPair(access, token, seconds)
