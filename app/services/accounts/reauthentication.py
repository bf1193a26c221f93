"""Reauthentication: the password is required again for sensitive changes of an account."""

from datetime import timedelta

from app.errors import FieldError, Forbidden, NotFound, field_details
from app.repositories.accounts import AccountRepository
from app.schemas.domain.accounts import ClientInfo
from app.services.accounts.audit import audit
from app.services.accounts.login_throttle import LoginThrottle, subject_of
from app.services.accounts.password_hashing import PasswordHasher
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database, Transaction

KNOWN_FOR = timedelta(days=30)  # how long a network counts as the account's own


class Reauthentication:
    """Throttled like signing in, so that a stolen token cannot be used to guess the password."""

    def __init__(
        self, db: Database, hasher: PasswordHasher, throttle: LoginThrottle, *, clock: Clock = utc_now
    ) -> None:
        self._db = db
        self._hasher = hasher
        self._throttle = throttle
        self._clock = clock

    async def check(
        self, user_id: int, password: str, client: ClientInfo, *, field: str = "current_password"
    ) -> str:
        """Verify the password and return a proof for :meth:`recheck`; raises :class:`Forbidden`.

        ``field`` is the field of the request that contains it.
        """
        async with self._db.reader() as connection:
            found = await AccountRepository(connection).find_secrets_of(
                user_id, network=client.network, since=self._clock() - KNOWN_FOR
            )
        if found is None:
            raise NotFound("There is no such account.")
        await self._throttle.pace(known_here=found.is_known_here)
        async with self._hasher.slot():
            subject = subject_of(user_id)
            attempt = await self._throttle.begin(subject, client, known_here=found.is_known_here)
            result = await self._hasher.verify(password, found.password_hash)
            if not result.matches:
                await self._throttle.fail(attempt)
                audit("proof.failed", user_id=user_id, address=client.address)
                raise _wrong(field)
            async with self._db.transaction() as tx:
                await self._throttle.succeed(tx, attempt)
        return found.password_hash

    async def recheck(self, tx: Transaction, user_id: int, proven: str) -> None:
        """Lock the password until the end of the transaction; raises :class:`Forbidden` if it has changed."""
        if not await AccountRepository(tx).lock_with_password(user_id, proven):
            raise _wrong("current_password")


def _wrong(field: str) -> Forbidden:
    error = FieldError(field, "The password is wrong.", "wrong")
    return Forbidden(error.message, details=field_details([error]))
