"""Changing a password, and resetting it by mail."""

import hashlib
import secrets

from app.errors import Invalid, RateLimited
from app.repositories.accounts import AccountRepository
from app.repositories.resets import ResetRepository
from app.repositories.sessions import SessionRepository
from app.repositories.tokens import TokenRepository
from app.schemas.domain.accounts import Account, ClientInfo, Principal
from app.schemas.jobs import SendMail
from app.services.accounts import PasswordHasher, Reauthentication, audit, check_new_password, count_event
from app.services.jobs import JobService
from app.utils.clock import Clock, utc_now
from app.utils.crypto.refresh_tokens import digest
from app.utils.db.database import Database, Transaction
from app.utils.redis.quotas import Quota, Quotas, rate_headers

ASKED_FROM_ADDRESS = Quota("password mails from an address", 20, 60)
MAILS_TO_ADDRESS = Quota("password mails to an address", 5, 3600)

_NOBODY = 0  # not the id of any account


class PasswordService:
    def __init__(
        self,
        db: Database,
        hasher: PasswordHasher,
        reauthentication: Reauthentication,
        quotas: Quotas,
        jobs: JobService,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self._hasher = hasher
        self._reauthentication = reauthentication
        self._quotas = quotas
        self._jobs = jobs
        self._clock = clock

    async def change(self, user: Principal, current: str, new: str, client: ClientInfo) -> None:
        """Set a new password, and end all other sessions."""
        proven = await self._reauthentication.check(user.user_id, current, client)
        new_hash = await self._hashed(user.user_id, new)
        async with self._db.transaction() as tx:
            await self._reauthentication.recheck(tx, user.user_id, proven)
            await self._set(tx, user.user_id, new_hash)
            await SessionRepository(tx).delete_by_user(user.user_id, but=user.session_id)
        audit("password.changed", user_id=user.user_id, address=client.address)

    async def forget(self, email: str, client: ClientInfo) -> None:
        """Mail a reset token if there is such an account; the response does not reveal whether there is.

        A job is queued in either case, so that timing reveals nothing either.
        """
        standing = await self._quotas.take(ASKED_FROM_ADDRESS, client.network)
        client.headers.update(rate_headers(ASKED_FROM_ADDRESS, standing))
        if not standing.allowed:
            count_event("throttled")
            raise RateLimited(retry_after=standing.reset_after)
        address = hashlib.sha256(email.lower().encode()).hexdigest()
        may_mail = (await self._quotas.take(MAILS_TO_ADDRESS, address)).allowed
        async with self._db.transaction() as tx:
            found = await AccountRepository(tx).find_by_email(email)
            user_id = found.id if found and may_mail else _NOBODY
            await self._jobs.enqueue(tx, SendMail(user_id, "reset", secrets.token_hex(8)))
        audit("password.reset_asked", user_id=user_id or None, address=client.address)

    async def reset(self, token: str, new: str, client: ClientInfo) -> None:
        """Set a new password with a mailed token; ends all sessions and API tokens of the account."""
        now, token_hash = self._clock(), digest(token)
        async with self._db.reader() as connection:
            user_id = await ResetRepository(connection).find(token_hash, now)
        if user_id is None:
            raise _spent()
        new_hash = await self._hashed(user_id, new)
        async with self._db.transaction() as tx:
            if await ResetRepository(tx).use(token_hash, now) != user_id:
                raise _spent()
            await self._set(tx, user_id, new_hash)
            await SessionRepository(tx).delete_by_user(user_id)
            await TokenRepository(tx).delete_by_user(user_id)
        audit("password.reset", user_id=user_id, address=client.address)

    async def replace(self, account: Account, new: str) -> None:
        """Set a password for an operator; ends all sessions and API tokens of the account."""
        new_hash = await self._hashed(account.id, new)
        async with self._db.transaction() as tx:
            await self._set(tx, account.id, new_hash)
            await SessionRepository(tx).delete_by_user(account.id)
            await TokenRepository(tx).delete_by_user(account.id)
        audit("password.reset", user_id=account.id)

    async def _hashed(self, user_id: int, new: str) -> str:
        async with self._db.reader() as connection:
            account = await AccountRepository(connection).find(user_id)
        names = (account.username, account.email) if account else ()
        check_new_password(new, *names, field="new_password")
        async with self._hasher.slot():
            return await self._hasher.hash(new)

    async def _set(self, tx: Transaction, user_id: int, new_hash: str) -> None:
        await AccountRepository(tx).set_password(user_id, new_hash)
        await ResetRepository(tx).delete_by_user(user_id)
        await self._jobs.enqueue(tx, SendMail(user_id, "password_changed", secrets.token_hex(8)))


def _spent() -> Invalid:
    return Invalid.fields({"token": ["This token was used or replaced, or has expired."]})
