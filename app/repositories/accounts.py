"""SQL of accounts and of where they signed in from."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import KnownAddressRow, UserRow
from app.schemas.domain.accounts import Account, Role, Secrets
from app.utils.database import Transaction

_users = cast(Table, UserRow.__table__)
_u = _users.c
_known = cast(Table, KnownAddressRow.__table__)
_ACCOUNT = [_u[name] for name in Account.__dataclass_fields__]


class AccountRepository:
    """Works in a transaction, or, for single reads, on a connection in autocommit."""

    def __init__(self, on: Transaction | AsyncConnection) -> None:
        self._on = on.session if isinstance(on, Transaction) else on

    async def insert(
        self, *, username: str, email: str | None, full_name: str | None, password_hash: str, role: Role
    ) -> Account | None:
        """None where the name or the e-mail is taken."""
        row = await self._on.execute(
            insert(_users)
            .values(
                username=username, email=email, full_name=full_name, password_hash=password_hash, role=role
            )
            .on_conflict_do_nothing()
            .returning(*_ACCOUNT)
        )
        return _account(row.one_or_none())

    async def has_email(self, email: str) -> bool:
        found = await self._on.execute(select(_u.id).where(func.lower(_u.email) == func.lower(email)))
        return found.one_or_none() is not None

    async def find(self, user_id: int) -> Account | None:
        return _account((await self._on.execute(select(*_ACCOUNT).where(_u.id == user_id))).one_or_none())

    async def find_secrets(self, identifier: str, *, network: str, since: datetime) -> Secrets | None:
        """By user name or e-mail, in any case."""
        wanted = func.lower(identifier)
        named = or_(func.lower(_u.username) == wanted, func.lower(_u.email) == wanted)
        return await self._secrets(named, network, since)

    async def find_secrets_of(self, user_id: int, *, network: str, since: datetime) -> Secrets | None:
        return await self._secrets(_u.id == user_id, network, since)

    async def set_password(self, user_id: int, password_hash: str) -> None:
        await self.update(user_id, {"password_hash": password_hash})

    async def update(self, user_id: int, values: Mapping[str, Any]) -> Account | None:
        changed = (
            update(_users)
            .where(_u.id == user_id)
            .values(**values, updated_at=func.now())
            .returning(*_ACCOUNT)
        )
        return _account((await self._on.execute(changed)).one_or_none())

    async def note_address(self, user_id: int, network: str, now: datetime) -> None:
        """Remember that the account signed in from here."""
        new = insert(_known).values(user_id=user_id, network=network, last_used_at=now)
        await self._on.execute(
            new.on_conflict_do_update(
                index_elements=[_known.c.user_id, _known.c.network], set_={"last_used_at": now}
            )
        )

    async def delete_addresses(self, *, unused_since: datetime) -> None:
        await self._on.execute(delete(_known).where(_known.c.last_used_at < unused_since))

    async def _secrets(self, whose: Any, network: str, since: datetime) -> Secrets | None:
        lately = (
            select(_known.c.network)
            .where(_known.c.user_id == _u.id, _known.c.network == network, _known.c.last_used_at > since)
            .exists()
        )
        found = select(_u.id, _u.username, _u.password_hash, _u.is_active, lately).where(whose)
        row = (await self._on.execute(found)).one_or_none()
        return None if row is None else Secrets(*row)


def _account(row: Any) -> Account | None:
    return None if row is None else Account(*row)
