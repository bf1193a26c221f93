"""SQL of password resets: only the latest token of an account is valid."""

from datetime import datetime
from typing import cast

from sqlalchemy import Table, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import PasswordResetRow
from app.utils.db.database import Transaction

_resets = cast(Table, PasswordResetRow.__table__)
_r = _resets.c


class ResetRepository:
    """Runs in a transaction or, for single reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def replace(self, user_id: int, token_hash: bytes, expires_at: datetime) -> None:
        values = {"token_hash": token_hash, "expires_at": expires_at}
        new = insert(_resets).values(user_id=user_id, **values)
        await self._connection.execute(new.on_conflict_do_update(index_elements=[_r.user_id], set_=values))

    async def find(self, token_hash: bytes, now: datetime) -> int | None:
        """The user id of a valid token."""
        whose = select(_r.user_id).where(_r.token_hash == token_hash, _r.expires_at > now)
        return (await self._connection.execute(whose)).scalar_one_or_none()

    async def use(self, token_hash: bytes, now: datetime) -> int | None:
        """Consume the token and return its user id; of concurrent callers only one gets it."""
        used = delete(_resets).where(_r.token_hash == token_hash, _r.expires_at > now)
        return (await self._connection.execute(used.returning(_r.user_id))).scalar_one_or_none()

    async def delete_by_user(self, user_id: int) -> None:
        await self._connection.execute(delete(_resets).where(_r.user_id == user_id))

    async def delete_expired(self, now: datetime) -> None:
        await self._connection.execute(delete(_resets).where(_r.expires_at <= now))
