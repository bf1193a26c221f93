"""``Idempotency-Key``: the second of two equal POSTs is given the answer of the first."""

from app.errors import Conflict, Invalid
from app.repositories.idempotency import IdempotencyRepository
from app.schemas.domain.idempotency import Answer
from app.utils.database import Database

KEPT = 24 * 3600.0  # seconds
_PATIENCE = 60.0  # seconds after which a request without an answer counts as dead


class KeyReused(Invalid):
    default_message = "This Idempotency-Key was sent with another request."


class StillRunning(Conflict):
    default_message = "The first request with this Idempotency-Key has not been answered yet."


class IdempotencyService:
    """Keys are a person's own; ``fingerprint`` is a hash of what was asked."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def begin(self, user_id: int, key: str, fingerprint: bytes) -> Answer | None:
        """The answer to give again, or None where the request shall go on.

        Raises :class:`KeyReused`, :class:`StillRunning`.
        """
        async with self._db.transaction() as tx:
            keys = IdempotencyRepository(tx)
            if await keys.claim(user_id, key, fingerprint, keep=KEPT, patience=_PATIENCE):
                return None
            claim = await keys.get(user_id, key)
        if claim is not None and claim.fingerprint != fingerprint:
            raise KeyReused
        if claim is None or claim.answer is None:
            raise StillRunning
        return claim.answer

    async def finish(self, user_id: int, key: str, answer: Answer) -> None:
        async with self._db.transaction() as tx:
            await IdempotencyRepository(tx).fill(
                user_id, key, status=answer.status, headers=answer.headers, body=answer.body
            )

    async def abandon(self, user_id: int, key: str) -> None:
        """The request failed: the same key may try again."""
        async with self._db.transaction() as tx:
            await IdempotencyRepository(tx).delete(user_id, key)

    async def forget_old(self) -> None:
        async with self._db.transaction() as tx:
            await IdempotencyRepository(tx).delete_older(keep=KEPT)
