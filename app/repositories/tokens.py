"""SQL of personal API tokens."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Table, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import ApiTokenRow, UserRow
from app.repositories.paging import fetch_page
from app.schemas.domain.accounts import ApiToken
from app.utils.db.database import Transaction

_tokens = cast(Table, ApiTokenRow.__table__)
_t = _tokens.c
_u = cast(Table, UserRow.__table__).c
_NAMES = tuple(ApiToken.__dataclass_fields__)  # these are the names of the columns too
_TOKEN = [_t[name] for name in _NAMES]


class TokenRepository:
    """Runs in a transaction or, for single reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def note_use(self, token_id: int, now: datetime) -> None:
        unnoted = or_(_t.last_used_at.is_(None), _t.last_used_at < now)
        await self._connection.execute(
            update(_tokens).where(_t.id == token_id, unnoted).values(last_used_at=now)
        )

    async def count_live_for_update(self, user_id: int, now: datetime) -> int:
        """The number of live tokens; blocks other inserts until the transaction ends."""
        await self._connection.execute(select(_u.id).where(_u.id == user_id).with_for_update())
        live = select(func.count()).where(_t.user_id == user_id, _t.expires_at > now)
        return int((await self._connection.execute(live)).scalar_one())

    async def insert(
        self,
        user_id: int,
        *,
        name: str,
        token_hash: bytes,
        hint: str,
        scopes: Sequence[str],
        now: datetime,
        expires_at: datetime,
    ) -> ApiToken:
        new = insert(_tokens).values(
            user_id=user_id,
            name=name,
            token_hash=token_hash,
            hint=hint,
            scopes=list(scopes),
            created_at=now,
            expires_at=expires_at,
        )
        return ApiToken(*(await self._connection.execute(new.returning(*_TOKEN))).one())

    async def list_by_user(
        self, user_id: int, now: datetime, *, limit: int, offset: int
    ) -> tuple[list[ApiToken], int]:
        """One page of the live tokens, newest first, and their total number."""
        rows, total = await fetch_page(
            self._connection,
            select=", ".join(_NAMES),
            source="from api_tokens where user_id = :user_id and expires_at > :now",
            order="id desc",
            values={"user_id": user_id, "now": now, "limit": limit, "offset": offset},
        )
        return [ApiToken(**{name: getattr(row, name) for name in _NAMES}) for row in rows], total

    async def delete(self, token_id: int, user_id: int) -> bool:
        gone = delete(_tokens).where(_t.id == token_id, _t.user_id == user_id).returning(_t.id)
        return (await self._connection.execute(gone)).one_or_none() is not None

    async def delete_by_user(self, user_id: int) -> None:
        await self._connection.execute(delete(_tokens).where(_t.user_id == user_id))

    async def delete_expired(self, now: datetime) -> None:
        await self._connection.execute(delete(_tokens).where(_t.expires_at <= now))
