"""SQL of sessions. The current time is always passed in, so that all checks use one clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import SessionRow, UserRow
from app.repositories.paging import fetch_page
from app.schemas.domain.accounts import ClientInfo, Session
from app.utils.db.database import Driver, Transaction

_sessions = cast(Table, SessionRow.__table__)
_s = _sessions.c
_u = cast(Table, UserRow.__table__).c
_SESSION = tuple(Session.__dataclass_fields__)  # these are the names of the columns too


@dataclass(frozen=True, slots=True)
class Rotation:
    """The state of a session for a refresh."""

    user_id: int
    refresh_hash: bytes
    spent_hash: bytes | None
    spent_at: datetime | None
    expires_at: datetime


_ROTATION = [_s[name] for name in Rotation.__dataclass_fields__]
_ROTATE = f"""
    update sessions s set
        refresh_hash = $3, spent_hash = $2, spent_at = $4, last_used_at = $4, device = $5, address = $6,
        expires_at = least($4 + $7, s.created_at + $8)
    from users u
    where s.id = $1 and s.refresh_hash = $2 and s.expires_at > $4 and u.id = s.user_id and u.is_active
    returning {", ".join(f"s.{name}" for name in Rotation.__dataclass_fields__)}
"""


async def rotate_session(
    driver: Driver,
    session_id: UUID,
    spent: bytes,
    successor: bytes,
    client: ClientInfo,
    *,
    now: datetime,
    idle: timedelta,
    longest: timedelta,
) -> Rotation | None:
    """Replace the refresh token in one atomic statement; None if ``spent`` is not the current one."""
    row = await driver.fetchrow(
        _ROTATE, session_id, spent, successor, now, client.device, client.address, idle, longest
    )
    return None if row is None else Rotation(*row)


class SessionRepository:
    """Runs in a transaction or, for single reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def insert(
        self,
        session_id: UUID,
        user_id: int,
        refresh_hash: bytes,
        client: ClientInfo,
        *,
        now: datetime,
        expires_at: datetime,
    ) -> None:
        await self._connection.execute(
            insert(_sessions).values(
                id=session_id,
                user_id=user_id,
                refresh_hash=refresh_hash,
                device=client.device,
                address=client.address,
                created_at=now,
                last_used_at=now,
                expires_at=expires_at,
            )
        )

    async def find_rotation(self, session_id: UUID, now: datetime) -> Rotation | None:
        found = select(*_ROTATION).where(
            _s.id == session_id, _s.expires_at > now, _u.id == _s.user_id, _u.is_active
        )
        row = (await self._connection.execute(found)).one_or_none()
        return None if row is None else Rotation(*row)

    async def list_by_user(
        self, user_id: int, now: datetime, *, limit: int, offset: int
    ) -> tuple[list[Session], int]:
        """One page of the live sessions, most recently used first, and their total number."""
        rows, total = await fetch_page(
            self._connection,
            select=", ".join(_SESSION),
            source="from sessions where user_id = :user_id and expires_at > :now",
            order="last_used_at desc, id",
            values={"user_id": user_id, "now": now, "limit": limit, "offset": offset},
        )
        return [Session(**{name: getattr(row, name) for name in _SESSION}) for row in rows], total

    async def delete(self, session_id: UUID, *, user_id: int | None = None) -> int | None:
        """Delete a session (of this account, if given) and return its user id; None if there is none."""
        ended = delete(_sessions).where(_s.id == session_id)
        if user_id is not None:
            ended = ended.where(_s.user_id == user_id)
        return (await self._connection.execute(ended.returning(_s.user_id))).scalar_one_or_none()

    async def delete_by_user(self, user_id: int, *, but: UUID | None = None) -> int:
        """Delete all sessions of the account except ``but``; returns how many."""
        ended = delete(_sessions).where(_s.user_id == user_id)
        if but is not None:
            ended = ended.where(_s.id != but)
        return len((await self._connection.execute(ended.returning(_s.id))).all())

    async def delete_surplus(self, user_id: int, *, keep: int, now: datetime) -> None:
        """Delete expired sessions, and of the others all but the ``keep`` most recently used."""
        kept = (
            select(_s.id)
            .where(_s.user_id == user_id, _s.expires_at > now)
            .order_by(_s.last_used_at.desc(), _s.id)
            .limit(keep)
        )
        await self._connection.execute(delete(_sessions).where(_s.user_id == user_id, _s.id.not_in(kept)))

    async def delete_expired(self, now: datetime) -> None:
        await self._connection.execute(delete(_sessions).where(_s.expires_at <= now))
