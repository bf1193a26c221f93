"""Sessions: sign-in, token refresh, sign-out, and the list of a user's sessions."""

import math
from contextlib import suppress
from typing import Literal
from uuid import UUID

from app.errors import NotFound, Unauthenticated
from app.repositories.accounts import AccountRepository
from app.repositories.sessions import Rotation, SessionRepository, rotate_session
from app.schemas.domain.accounts import ClientInfo, Principal, Secrets, Session, TokenPair
from app.services.accounts import (
    DEMO_NAME,
    DEMO_PASSWORD,
    KNOWN_FOR,
    Attempt,
    Blacklist,
    LoginThrottle,
    PasswordHasher,
    TokenIssuer,
    audit,
    subject_of,
)
from app.utils.clock import Clock, utc_now
from app.utils.crypto.jwt import BadToken, Claims
from app.utils.crypto.refresh_tokens import digest
from app.utils.db.database import Database
from app.utils.text.cleaning import is_storable
from app.utils.text.emails import normal_email

_VERIFY_ATTEMPTS = 2  # the password may change while it is verified

Refusal = Literal["session_ended", "token_reused"]


class WrongCredentials(Unauthenticated):
    """The account or the password is wrong; the response does not say which."""

    default_message = "The name or the password is wrong."


class SessionService:
    """``demo`` tells whether the demo account may sign in with its public password."""

    def __init__(
        self,
        db: Database,
        issuer: TokenIssuer,
        hasher: PasswordHasher,
        throttle: LoginThrottle,
        blacklist: Blacklist,
        *,
        demo: bool = False,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self._issuer = issuer
        self._hasher = hasher
        self._throttle = throttle
        self._blacklist = blacklist
        self._demo = demo
        self._clock = clock

    async def sign_in(self, identifier: str, password: str, client: ClientInfo) -> TokenPair:
        """Start a session by user name or e-mail. Neither message nor timing reveals what was wrong."""
        name = _as_stored(identifier)
        found = await self._find(name, client)
        known_here = found is not None and found.is_known_here
        await self._throttle.pace(known_here=known_here)
        async with self._hasher.slot():
            subject = subject_of(found.user_id) if found else f"name {name.lower()}"
            attempt = await self._throttle.begin(subject, client, known_here=known_here)
            for _ in range(_VERIFY_ATTEMPTS):
                result = await self._hasher.verify(password, found.password_hash if found else None)
                if found is None or not result.matches or not self._may_sign_in(found, password):
                    break
                tokens = await self._admit(attempt, found, result.replacement)
                if tokens is not None:
                    return tokens
                found = await self._find(name, client)
            raise await self._refusal(attempt, found)

    async def refresh(self, token: str, client: ClientInfo) -> TokenPair:
        """Exchange the token for a new pair; repeating the last exchange returns the same refresh token."""
        session_id = self._issuer.refresh.session_of(token)
        if session_id is None:
            raise Unauthenticated("The refresh token is not valid.")
        rotated = await self._rotate(session_id, token, client)
        if isinstance(rotated, str):
            raise Unauthenticated("The refresh token is not valid.", details={"reason": rotated})
        successor, session = rotated
        access, seconds = self._issuer.access.issue(session.user_id, session_id, not_after=session.expires_at)
        return TokenPair(access, successor, seconds)

    async def sign_out(self, *, access_token: str | None, refresh_token: str | None) -> None:
        """End the session of either token; a session that has already ended is not an error."""
        if access_token is None and refresh_token is None:
            raise Unauthenticated
        claims = self._read(access_token, strict=refresh_token is None)
        if claims is not None and await self._end(claims.session_id, user_id=claims.user_id):
            left = claims.expires_at - self._clock()
            await self._blacklist.add(claims.token_id, math.ceil(left.total_seconds()))
        session_id = self._issuer.refresh.session_of(refresh_token) if refresh_token else None
        if session_id is not None:
            await self._end(session_id)

    async def list(self, user_id: int, *, limit: int, offset: int) -> tuple[list[Session], int]:
        """One page of the user's sessions, most recently used first, and their total number."""
        async with self._db.reader() as connection:
            sessions = SessionRepository(connection)
            return await sessions.list_by_user(user_id, self._clock(), limit=limit, offset=offset)

    async def end(self, user_id: int, session_id: UUID) -> None:
        async with self._db.transaction() as tx:
            if await SessionRepository(tx).delete(session_id, user_id=user_id) is None:
                raise NotFound("There is no such session.")
        audit("session.ended", user_id=user_id, session_id=str(session_id))

    async def end_all(self, user: Principal) -> None:
        async with self._db.transaction() as tx:
            ended = await SessionRepository(tx).delete_by_user(user.user_id)
        audit("session.all_ended", user_id=user.user_id, sessions=ended)

    async def _find(self, identifier: str, client: ClientInfo) -> Secrets | None:
        if not is_storable(identifier):
            return None
        async with self._db.reader() as connection:
            return await AccountRepository(connection).find_secrets(
                identifier, network=client.network, since=self._clock() - KNOWN_FOR
            )

    def _may_sign_in(self, found: Secrets, password: str) -> bool:
        is_default = found.username == DEMO_NAME and password == DEMO_PASSWORD
        return found.is_active and (self._demo or not is_default)

    async def _refusal(self, attempt: Attempt, found: Secrets | None) -> WrongCredentials:
        await self._throttle.fail(attempt)
        user_id = found.user_id if found else None
        audit("sign_in.failed", user_id=user_id, address=attempt.client.address)
        return WrongCredentials()

    async def _admit(self, attempt: Attempt, found: Secrets, new_hash: str | None) -> TokenPair | None:
        """Open the session; None if the password was changed while it was verified."""
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx)
            if not await accounts.lock_with_password(found.user_id, found.password_hash):
                return None
            await self._throttle.succeed(tx, attempt)
            if new_hash is not None:
                await accounts.set_password(found.user_id, new_hash)
            tokens = await self._issuer.open(tx, found.user_id, attempt.client)
        audit("sign_in.succeeded", user_id=found.user_id, address=attempt.client.address)
        return tokens

    async def _rotate(
        self, session_id: UUID, token: str, client: ClientInfo
    ) -> tuple[str, Rotation] | Refusal:
        now, spent = self._clock(), digest(token)
        successors = self._issuer.refresh.successors(token)
        idle, longest = self._issuer.idle, self._issuer.longest
        async with self._db.driver(fresh_plans=None) as driver:
            rotated = await rotate_session(
                driver, session_id, spent, digest(successors[0]), client, now=now, idle=idle, longest=longest
            )
        if rotated is not None:
            return successors[0], rotated
        async with self._db.transaction() as tx:
            return await self._repeated(SessionRepository(tx), session_id, token, client)

    async def _repeated(
        self, sessions: SessionRepository, session_id: UUID, token: str, client: ClientInfo
    ) -> tuple[str, Rotation] | Refusal:
        """The successor of a token that was exchanged before; ends the session if that was used itself."""
        now, spent = self._clock(), digest(token)
        found = await sessions.find_rotation(session_id, now)
        if found is None:
            return "session_ended"
        # At any time later: a client that never received the response must not be signed out for a retry.
        if found.spent_hash == spent:
            successors = self._issuer.refresh.successors(token)
            again = [successor for successor in successors if digest(successor) == found.refresh_hash]
            if again:
                return again[0], found
        await sessions.delete(session_id)
        audit("refresh.reused", user_id=found.user_id, session_id=str(session_id), address=client.address)
        return "token_reused"

    def _read(self, access_token: str | None, *, strict: bool) -> Claims | None:
        try:
            return self._issuer.access.read(access_token) if access_token else None
        except BadToken:
            if strict:
                raise Unauthenticated from None
            return None

    async def _end(self, session_id: UUID, *, user_id: int | None = None) -> bool:
        async with self._db.transaction() as tx:
            owner_id = await SessionRepository(tx).delete(session_id, user_id=user_id)
        if owner_id is not None:
            audit("sign_out", user_id=owner_id, session_id=str(session_id))
        return owner_id is not None


def _as_stored(identifier: str) -> str:
    """Normalise an e-mail address as registration does; a user name is left as it is."""
    with suppress(ValueError):
        return normal_email(identifier)
    return identifier.strip()
