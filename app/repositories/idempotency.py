"""SQL of the answers that a repeated POST is given again."""

import json
from collections.abc import Mapping

from sqlalchemy import text

from app.schemas.domain.idempotency import Answer, Claim
from app.utils.database import Transaction


class IdempotencyRepository:
    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def claim(
        self, user_id: int, key: str, fingerprint: bytes, *, keep: float, patience: float
    ) -> bool:
        """Take the key, or take it over from a request that is ``keep`` seconds old.

        One that has not answered after ``patience`` seconds has died and is taken over too.
        """
        result = await self._session.execute(
            text(
                """
                insert into idempotency_keys as k (user_id, key, fingerprint)
                values (:user_id, :key, :fingerprint)
                on conflict (user_id, key) do update set
                    fingerprint = excluded.fingerprint, created_at = now(),
                    status = null, headers = null, body = null
                where k.created_at < now() - make_interval(secs => :keep)
                   or k.status is null and k.created_at < now() - make_interval(secs => :patience)
                returning 1
                """
            ),
            {"user_id": user_id, "key": key, "fingerprint": fingerprint, "keep": keep, "patience": patience},
        )
        return result.scalar() is not None

    async def get(self, user_id: int, key: str) -> Claim | None:
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
        return Claim(row.fingerprint, answer)

    async def fill(
        self, user_id: int, key: str, *, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        await self._session.execute(
            text(
                """
                update idempotency_keys set status = :status, headers = cast(:headers as jsonb), body = :body
                where user_id = :user_id and key = :key
                """
            ),
            {
                "user_id": user_id,
                "key": key,
                "status": status,
                "headers": json.dumps(dict(headers)),
                "body": body,
            },
        )

    async def delete(self, user_id: int, key: str) -> None:
        await self._session.execute(
            text("delete from idempotency_keys where user_id = :user_id and key = :key"),
            {"user_id": user_id, "key": key},
        )

    async def delete_older(self, *, keep: float) -> None:
        """Forget what is older than ``keep`` seconds."""
        await self._session.execute(
            text("delete from idempotency_keys where created_at < now() - make_interval(secs => :keep)"),
            {"keep": keep},
        )
