"""SQL of password resets: one token an account, the newest."""

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
    """Works in a transaction, or, for single reads, on a connection in autocommit."""

    def __init__(self, on: Transaction | AsyncConnection) -> None:
        self._on = on.session if isinstance(on, Transaction) else on

    async def replace(self, user_id: int, token_hash: bytes, expires_at: datetime) -> None:
        values = {"token_hash": token_hash, "expires_at": expires_at}
        new = insert(_resets).values(user_id=user_id, **values)
        await self._on.execute(new.on_conflict_do_update(index_elements=[_r.user_id], set_=values))

    async def find(self, token_hash: bytes, now: datetime) -> int | None:
        """Whose token this is."""
        whose = select(_r.user_id).where(_r.token_hash == token_hash, _r.expires_at > now)
        return (await self._on.execute(whose)).scalar_one_or_none()

    async def use(self, token_hash: bytes, now: datetime) -> int | None:
        """Whose token this was; of any number of callers one is answered."""
        used = delete(_resets).where(_r.token_hash == token_hash, _r.expires_at > now)
        return (await self._on.execute(used.returning(_r.user_id))).scalar_one_or_none()

    async def delete_by_user(self, user_id: int) -> None:
        await self._on.execute(delete(_resets).where(_r.user_id == user_id))

    async def delete_expired(self, now: datetime) -> None:
        await self._on.execute(delete(_resets).where(_r.expires_at <= now))
