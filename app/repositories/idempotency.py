"""SQL of idempotency keys and their stored responses."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.sql.elements import TextClause

from app.schemas.domain.idempotency import Answer, KeyClaim, KeyRecord
from app.utils.db.database import Transaction

_OWNED = "where user_id = :user_id and key = :key and owner = :owner and status is null"


class IdempotencyRepository:
    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def claim(
        self, claim: KeyClaim, fingerprints: Sequence[bytes], *, keep: float, lease: float
    ) -> bool:
        """Claim the key for a request with the first of these fingerprints.

        A claim older than ``keep`` seconds is replaced. So is one with any of the fingerprints (the same
        request) that has no response yet and was not renewed for ``lease`` seconds, since its process must
        have died.
        """
        result = await self._session.execute(
            text(
                """
                insert into idempotency_keys as k (user_id, key, owner, fingerprint)
                values (:user_id, :key, :owner, :fingerprint)
                on conflict (user_id, key) do update set
                    owner = excluded.owner, fingerprint = excluded.fingerprint,
                    created_at = now(), renewed_at = now(), status = null, headers = null, body = null
                where k.created_at < now() - make_interval(secs => :keep)
                   or k.status is null and k.fingerprint = any(:fingerprints)
                      and k.renewed_at < now() - make_interval(secs => :lease)
                returning 1
                """
            ),
            {
                **_of(claim),
                "fingerprint": fingerprints[0],
                "fingerprints": list(fingerprints),
                "keep": keep,
                "lease": lease,
            },
        )
        return result.scalar() is not None

    async def get(self, user_id: int, key: str) -> KeyRecord | None:
        row = (
            await self._session.execute(
                text(
                    """
                    select fingerprint, status, headers, body from idempotency_keys
                    where user_id = :user_id and key = :key
                    """
                ),
                {"user_id": user_id, "key": key},
            )
        ).first()
        if row is None:
            return None
        answer = None if row.status is None else Answer(row.status, row.headers, row.body)
        return KeyRecord(row.fingerprint, answer)

    async def renew(self, claim: KeyClaim) -> bool:
        """Renew the claim; False if it was lost to another request."""
        statement = text(f"update idempotency_keys set renewed_at = now() {_OWNED} returning 1")
        return await self._changed(statement, _of(claim))

    async def fill(self, claim: KeyClaim, answer: Answer) -> bool:
        """Store the response; False if the claim was lost to another request."""
        statement = text(
            "update idempotency_keys set status = :status, headers = cast(:headers as jsonb), body = :body "
            f"{_OWNED} returning 1"
        )
        headers = json.dumps(dict(answer.headers))
        return await self._changed(
            statement, {**_of(claim), "status": answer.status, "headers": headers, "body": answer.body}
        )

    async def delete(self, claim: KeyClaim) -> None:
        await self._session.execute(text(f"delete from idempotency_keys {_OWNED}"), _of(claim))

    async def delete_older(self, *, keep: float) -> None:
        """Delete keys older than ``keep`` seconds."""
        await self._session.execute(
            text("delete from idempotency_keys where created_at < now() - make_interval(secs => :keep)"),
            {"keep": keep},
        )

    async def _changed(self, statement: TextClause, values: dict[str, Any]) -> bool:
        return (await self._session.execute(statement, values)).scalar() is not None


def _of(claim: KeyClaim) -> dict[str, Any]:
    return {"user_id": claim.user_id, "key": claim.key, "owner": claim.owner}
