"""Accounts at other services: connecting by OAuth, storing the token, disconnecting."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import jwt

from app.errors import BadRequest, NotFound, TokenRefused, UpstreamDisabled
from app.logs import log
from app.repositories.sync import LinkRepository, ServiceLink
from app.schemas.domain.sync import RemoteAccount
from app.schemas.jobs import PushList, SendMail
from app.services.jobs import JobService
from app.utils.clock import Clock, utc_now
from app.utils.crypto.encryption import Encryption
from app.utils.db.database import Database

STATE_LIFETIME = timedelta(minutes=10)
_TOKEN_LIFETIME = timedelta(days=365)  # used if neither the token nor the token response has an expiry
_REMINDERS = (30, 7, 1)  # days before a token expires


class NotConnected(BadRequest):
    default_message = "Connect your account at the service first."


class SignIn(Protocol):
    """The OAuth flow of a service, configured with the application's client id and secret."""

    def authorize_url(self, state: str) -> str: ...

    async def exchange(self, code: str) -> tuple[str, int | None]:
        """Exchange the code for a token; returns it and its lifetime in seconds if known.

        Raises ``BadRequest``.
        """
        ...

    async def get_account(self, token: str) -> RemoteAccount: ...


class ServiceAccounts:
    """``sign_ins`` are the supported services by name; the value is None if the service is not configured."""

    def __init__(
        self,
        db: Database,
        jobs: JobService,
        encryption: Encryption,
        sign_ins: Mapping[str, SignIn | None],
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self._jobs = jobs
        self._encryption = encryption
        self._sign_ins = sign_ins
        self._clock = clock

    async def connect_url(self, user_id: int, service: str, *, session_id: UUID | None) -> str:
        """The URL where the user signs in at the service; it is void once the session has ended.

        Raises ``UpstreamDisabled``.
        """
        sign_in = self._sign_in(service)
        expires_at = self._clock() + STATE_LIFETIME
        content = f"{user_id}.{int(expires_at.timestamp())}.{secrets.token_urlsafe(24)}"
        state = f"{content}.{self._signatures(content, service)[0]}"
        async with self._db.transaction() as tx:
            await LinkRepository(tx).insert_state(
                _digest(state),
                user_id=user_id,
                session_id=session_id,
                service=service,
                expires_at=expires_at,
            )
        return sign_in.authorize_url(state)

    async def complete(self, service: str, state: str, code: str) -> ServiceLink:
        """Connect the account of ``code`` to the user whose ``state`` it is.

        Raises ``BadRequest`` if the state is forged, used or expired or its session has ended, or the code is
        rejected.
        """
        sign_in = self._sign_in(service)
        if not state or not code:
            raise BadRequest("Missing code/state")
        content, _, signature = state.rpartition(".")
        if not any(
            hmac.compare_digest(signature.encode(), expected.encode())
            for expected in self._signatures(content, service)
        ):
            raise BadRequest("Invalid state")
        # Taken in a transaction of its own: a state is spent even if the code turns out to be rejected.
        async with self._db.transaction() as tx:
            now = self._clock()
            user_id = await LinkRepository(tx).take_state(_digest(state), service=service, now=now)
        if user_id is None:
            raise BadRequest("Invalid state")
        token, lifetime = await sign_in.exchange(code)
        account = await sign_in.get_account(token)
        return await self._store(user_id, service, account, _expiry(token, lifetime, self._clock()))

    async def _store(
        self, user_id: int, service: str, account: RemoteAccount, expires_at: datetime
    ) -> ServiceLink:
        async with self._db.transaction() as tx:
            links = LinkRepository(tx)
            await links.replace(
                user_id,
                service,
                remote_user_id=account.remote_user_id,
                remote_name=account.name,
                score_format=account.score_format,
                token=self._encryption.encrypt(account.token.encode(), _purpose(user_id, service)),
                expires_at=expires_at,
            )
            link = await links.find(user_id, service)
            if link is None:
                raise NotFound
            if link.pending_since is not None:  # changes that waited for the account to be reconnected
                await self._jobs.enqueue(tx, PushList(user_id, service), owner_id=user_id)
            return link

    async def find(self, user_id: int, service: str) -> ServiceLink | None:
        async with self._db.reader() as connection:
            return await LinkRepository(connection).find(user_id, service)

    async def disconnect(self, user_id: int, service: str) -> None:
        """Delete the account, its token and the snapshots of its list. The user's own list is unchanged."""
        async with self._db.transaction() as tx:
            await LinkRepository(tx).delete(user_id, service)

    async def require_account(self, user_id: int, service: str) -> tuple[ServiceLink, RemoteAccount]:
        """The account with its token.

        Raises :class:`NotConnected`, or ``TokenRefused`` if it expired, was rejected or cannot be decrypted.
        """
        link = await self.find(user_id, service)
        if link is None:
            raise NotConnected
        if link.refused_at is not None or link.expires_at <= self._clock():
            raise TokenRefused
        try:
            token = self._encryption.decrypt(link.token, _purpose(user_id, service)).decode()
        except ValueError:  # the secret was replaced, and the previous one is not configured
            await self.mark_token_refused(link)
            raise TokenRefused from None
        return link, RemoteAccount(link.remote_user_id, link.remote_name, link.score_format, token)

    async def mark_token_refused(self, link: ServiceLink) -> None:
        """Stop using this token; changes wait until the account is reconnected."""
        log.warning("sync.token_refused", service=link.service, user_id=link.user_id)
        async with self._db.transaction() as tx:
            await LinkRepository(tx).mark_refused(link.user_id, link.service, link.token)

    async def maintain_tokens(self) -> None:
        """Send reminders of tokens that will expire, and re-encrypt tokens after a change of the secret."""
        async with self._db.transaction() as tx:
            links = LinkRepository(tx)
            for link in await links.list_expiring(before=self._clock() + timedelta(days=_REMINDERS[0])):
                remaining = (link.expires_at - self._clock()) / timedelta(days=1)
                days = min((days for days in _REMINDERS if remaining <= days), default=None)
                if days is None or remaining < 0 or (link.reminded_days or 365) <= days:
                    continue
                await links.note_reminder(link.user_id, link.service, days)
                mail = SendMail(
                    link.user_id, "connection_expires", f"{link.service}:{days}:{link.expires_at}"
                )
                await self._jobs.enqueue(tx, mail)
            for link in await links.list_all():
                await self._encrypt_again(links, link)

    async def _encrypt_again(self, links: LinkRepository, link: ServiceLink) -> None:
        """Encrypt the token with the current secret; if it cannot be decrypted, it counts as rejected."""
        purpose = _purpose(link.user_id, link.service)
        if self._encryption.is_current(link.token, purpose):
            return
        try:
            token = self._encryption.decrypt(link.token, purpose)
        except ValueError:
            if link.refused_at is None:
                log.warning("sync.token_unreadable", service=link.service, user_id=link.user_id)
            await links.mark_refused(link.user_id, link.service, link.token)
        else:
            await links.set_token(link.user_id, link.service, self._encryption.encrypt(token, purpose))

    def _sign_in(self, service: str) -> SignIn:
        sign_in = self._sign_ins.get(service)
        if sign_in is None:
            raise UpstreamDisabled(
                "AniList is not configured: set ANILIST_CLIENT_ID, ANILIST_CLIENT_SECRET and PUBLIC_BASE_URL."
            )
        return sign_in

    def _signatures(self, content: str, service: str) -> list[str]:
        purpose = f"oauth state:{service}"
        return [one.hex() for one in self._encryption.fingerprints(content.encode(), purpose)]


def _purpose(user_id: int, service: str) -> str:
    """The encryption purpose.

    Includes the user, so that a token moved to another user's row cannot be decrypted.
    """
    return f"service token:{service}:{user_id}"


def _digest(state: str) -> bytes:
    return hashlib.sha256(state.encode()).digest()


def _expiry(token: str, lifetime: int | None, now: datetime) -> datetime:
    """The expiry in the token if it is a JWT, otherwise the one in the response.

    At most ten years from now.
    """
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        expires_at = datetime.fromtimestamp(int(claims["exp"]), now.tzinfo)
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError, OSError):
        expires_at = now + (timedelta(seconds=lifetime) if lifetime else _TOKEN_LIFETIME)
    return min(expires_at, now + 10 * _TOKEN_LIFETIME)
