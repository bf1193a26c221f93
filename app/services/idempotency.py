"""``Idempotency-Key``: a repeated POST gets the stored response of the first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from uuid import uuid4

from app.errors import Conflict, Invalid
from app.logs import log
from app.repositories.idempotency import IdempotencyRepository
from app.schemas.domain.idempotency import Answer, KeyClaim
from app.utils.crypto.encryption import Encryption
from app.utils.db.database import Database, DatabaseUnavailable

KEPT = 24 * 3600.0  # seconds
_LEASE = 60.0  # seconds without a renewal after which a request counts as dead
_RENEWALS = 4  # attempts to renew a claim per lease


class KeyReused(Invalid):
    default_message = "This Idempotency-Key was sent with another request."


class StillRunning(Conflict):
    default_message = "The first request with this Idempotency-Key has not been answered yet."


class IdempotencyService:
    """Keys are per user. Responses may contain secrets such as share links, so they are stored encrypted."""

    def __init__(self, db: Database, encryption: Encryption, *, lease: float = _LEASE) -> None:
        self._db = db
        self._encryption = encryption
        self._lease = lease

    async def begin(self, user_id: int, key: str, request_digest: bytes) -> KeyClaim | Answer:
        """A claim if the request should proceed, otherwise the stored response.

        ``request_digest`` is a hash of the request. Raises :class:`KeyReused`, :class:`StillRunning`.
        """
        claim = KeyClaim(user_id, key, uuid4())
        fingerprints = self._encryption.fingerprints(request_digest, _purpose(user_id, key))
        async with self._db.transaction() as tx:
            keys = IdempotencyRepository(tx)
            if await keys.claim(claim, fingerprints, keep=KEPT, lease=self._lease):
                return claim
            record = await keys.get(user_id, key)
        if record is not None and record.fingerprint not in fingerprints:
            raise KeyReused
        if record is None or record.answer is None:
            raise StillRunning
        return replace(
            record.answer, body=self._encryption.decrypt(record.answer.body, _purpose(user_id, key))
        )

    @asynccontextmanager
    async def renewed(self, claim: KeyClaim) -> AsyncIterator[None]:
        """Renew the claim for the duration of the block, however slow the request is."""
        renewing = asyncio.create_task(self._renew(claim))
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing

    async def _renew(self, claim: KeyClaim) -> None:
        held = True
        while held:
            await asyncio.sleep(self._lease / _RENEWALS)
            try:
                async with self._db.transaction() as tx:
                    held = await IdempotencyRepository(tx).renew(claim)
            except DatabaseUnavailable as error:
                log.warning("idempotency.not_renewed", user_id=claim.user_id, error=str(error))

    async def finish(self, claim: KeyClaim, answer: Answer) -> None:
        """Store the response, unless another request has taken over the key."""
        body = self._encryption.encrypt(answer.body, _purpose(claim.user_id, claim.key))
        async with self._db.transaction() as tx:
            kept = await IdempotencyRepository(tx).fill(claim, replace(answer, body=body))
        if not kept:
            log.warning("idempotency.claim_lost", user_id=claim.user_id)

    async def abandon(self, claim: KeyClaim) -> None:
        """Release the key after a failure, so that the client may retry with it."""
        async with self._db.transaction() as tx:
            await IdempotencyRepository(tx).delete(claim)

    async def forget_old(self) -> None:
        async with self._db.transaction() as tx:
            await IdempotencyRepository(tx).delete_older(keep=KEPT)


def _purpose(user_id: int, key: str) -> str:
    return f"idempotency:{user_id}:{key}"
