"""The password asked for once more, before something that cannot be taken back."""

from datetime import timedelta

from app.errors import Forbidden, NotFound
from app.repositories.accounts import AccountRepository
from app.schemas.domain.accounts import Visitor
from app.services.accounts.audit import audit
from app.services.accounts.login_throttle import Throttles, subject_of
from app.services.accounts.password_hashing import Hashing
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database, Transaction

KNOWN_FOR = timedelta(days=30)  # how long a network counts as the account's own


class PasswordProof:
    """Throttled like signing in, so that a stolen token is no way to guess."""

    def __init__(
        self, db: Database, hashing: Hashing, throttles: Throttles, *, clock: Clock = utc_now
    ) -> None:
        self._db = db
        self._hashing = hashing
        self._throttles = throttles
        self._clock = clock

    async def check(self, user_id: int, password: str, visitor: Visitor) -> str:
        """What :meth:`hold` takes, where it is the password of the account; raises :class:`Forbidden`."""
        async with self._db.reader() as connection:
            found = await AccountRepository(connection).find_secrets_of(
                user_id, network=visitor.network, since=self._clock() - KNOWN_FOR
            )
        if found is None:
            raise NotFound("There is no such account.")
        await self._throttles.pace(known_here=found.is_known_here)
        async with self._hashing.place():
            subject = subject_of(user_id)
            attempt = await self._throttles.begin(subject, visitor, known_here=found.is_known_here)
            verdict = await self._hashing.verify(password, found.password_hash)
            if not verdict.matches:
                await self._throttles.fail(attempt)
                audit("proof.failed", user_id=user_id, address=visitor.address)
                raise _wrong()
            async with self._db.transaction() as tx:
                await self._throttles.succeed(tx, attempt)
        return found.password_hash

    async def hold(self, tx: Transaction, user_id: int, proven: str) -> None:
        """Keep the password what it was when it was proven; raises :class:`Forbidden` where it changed."""
        if not await AccountRepository(tx).lock_with_password(user_id, proven):
            raise _wrong()


def _wrong() -> Forbidden:
    return Forbidden("The password is wrong.")
