"""SQL of accounts and the networks they signed in from."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Table, TextClause, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Taken
from app.models import KnownAddressRow, UserRow
from app.repositories.ownership import ERASED, ERASED_AT_ONCE
from app.repositories.paging import fetch_page
from app.schemas.domain.accounts import Account, Role, Secrets
from app.utils.db.database import Transaction

_users = cast(Table, UserRow.__table__)
_u = _users.c
_known = cast(Table, KnownAddressRow.__table__)
_NAMES = tuple(Account.__dataclass_fields__)  # these are the names of the columns too
_PUBLIC = (_u.is_active, _u.list_visibility == "public")
_ACCOUNT = [_u[name] for name in _NAMES]


class AccountRepository:
    """Runs in a transaction or, for single reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def insert(
        self, *, username: str, email: str | None, full_name: str | None, password_hash: str, role: Role
    ) -> Account | None:
        """Insert an account; None if the user name or e-mail is in use."""
        row = await self._connection.execute(
            insert(_users)
            .values(
                username=username, email=email, full_name=full_name, password_hash=password_hash, role=role
            )
            .on_conflict_do_nothing()
            .returning(*_ACCOUNT)
        )
        return _account(row.one_or_none())

    async def list_taken(self, username: str | None, email: str | None) -> list[str]:
        """Which of the two, user name and e-mail, another account already has."""
        wanted = {"username": username, "email": email}
        taken = []
        for name, value in wanted.items():
            if value is not None:
                found = select(_u.id).where(func.lower(_u[name]) == func.lower(value))
                if (await self._connection.execute(found)).scalar_one_or_none() is not None:
                    taken.append(name)
        return taken

    async def has_email(self, email: str) -> bool:
        found = await self._connection.execute(select(_u.id).where(func.lower(_u.email) == func.lower(email)))
        return found.one_or_none() is not None

    async def find_by_email(self, email: str) -> Account | None:
        """An active account by its e-mail address, case-insensitive."""
        named = select(*_ACCOUNT).where(func.lower(_u.email) == func.lower(email), _u.is_active)
        return _account((await self._connection.execute(named)).one_or_none())

    async def find_public(self, username: str) -> Account | None:
        """An active account by its user name (case-insensitive), if its list is public."""
        named = select(*_ACCOUNT).where(func.lower(_u.username) == func.lower(username), *_PUBLIC)
        return _account((await self._connection.execute(named)).one_or_none())

    async def has_public_list(self, user_id: int) -> bool:
        found = await self._connection.execute(select(_u.id).where(_u.id == user_id, *_PUBLIC))
        return found.one_or_none() is not None

    async def find_by_username(self, username: str) -> Account | None:
        """An account by its user name, case-insensitive."""
        named = select(*_ACCOUNT).where(func.lower(_u.username) == func.lower(username))
        return _account((await self._connection.execute(named)).one_or_none())

    async def find(self, user_id: int) -> Account | None:
        return _account(
            (await self._connection.execute(select(*_ACCOUNT).where(_u.id == user_id))).one_or_none()
        )

    async def find_secrets(self, identifier: str, *, network: str, since: datetime) -> Secrets | None:
        """By user name or e-mail, case-insensitive; networks used since ``since`` count as known."""
        lowered = func.lower(identifier)
        named = or_(func.lower(_u.username) == lowered, func.lower(_u.email) == lowered)
        return await self._secrets(named, network, since)

    async def find_secrets_of(self, user_id: int, *, network: str, since: datetime) -> Secrets | None:
        return await self._secrets(_u.id == user_id, network, since)

    async def find_avatar(self, user_id: int) -> str | None:
        """The avatar of an account; locks the row until the end of the transaction."""
        locked = select(_u.avatar).where(_u.id == user_id).with_for_update()
        return (await self._connection.execute(locked)).scalar_one_or_none()

    async def list_avatars(self) -> set[str]:
        """The file names of all avatars in use."""
        return set(
            (await self._connection.execute(select(_u.avatar).where(_u.avatar.is_not(None)))).scalars()
        )

    async def list(self, *, limit: int, offset: int) -> tuple[list[Account], int]:
        """One page, oldest first, and the total number."""
        rows, total = await fetch_page(
            self._connection,
            select=", ".join(_NAMES),
            source="from users",
            order="id",
            values={"limit": limit, "offset": offset},
        )
        return [Account(**{name: getattr(row, name) for name in _NAMES}) for row in rows], total

    async def lock_admins(self) -> set[int]:
        """The ids of the active admins; locks their rows until the end of the transaction."""
        admins = select(_u.id).where(_u.role == "admin", _u.is_active).order_by(_u.id).with_for_update()
        return set((await self._connection.execute(admins)).scalars())

    async def delete(self, user_id: int) -> bool:
        """Delete the account and everything it owns; False if it does not exist.

        The caller must hold the lock of the user's list.
        """
        for statement in ERASED:
            while await self._erase_some(statement, user_id) == ERASED_AT_ONCE:
                pass
        gone = await self._connection.execute(delete(_users).where(_u.id == user_id).returning(_u.id))
        return gone.one_or_none() is not None

    async def _erase_some(self, statement: TextClause, user_id: int) -> int:
        result = await self._connection.execute(statement, {"user_id": user_id, "limit": ERASED_AT_ONCE})
        return cast(CursorResult[Any], result).rowcount

    async def lock_with_password(self, user_id: int, password_hash: str) -> bool:
        """Whether the account is active and has this password; locks both until the transaction ends."""
        same = select(_u.id).where(_u.id == user_id, _u.password_hash == password_hash, _u.is_active)
        return (
            await self._connection.execute(same.with_for_update(key_share=True))
        ).one_or_none() is not None

    async def set_password(self, user_id: int, password_hash: str) -> None:
        await self.update(user_id, {"password_hash": password_hash})

    async def update(self, user_id: int, values: Mapping[str, Any]) -> Account | None:
        """Update columns; raises :class:`Taken` if a new user name or e-mail is in use."""
        changed = (
            update(_users)
            .where(_u.id == user_id)
            .values(**values, updated_at=func.now())
            .returning(*_ACCOUNT)
        )
        try:
            return _account((await self._connection.execute(changed)).one_or_none())
        except IntegrityError as error:
            raise Taken(
                [name for name in ("username", "email") if f"uq_users_{name}" in str(error)]
            ) from error

    async def note_address(self, user_id: int, network: str, now: datetime) -> None:
        """Record the network as known to the account."""
        new = insert(_known).values(user_id=user_id, network=network, last_used_at=now)
        await self._connection.execute(
            new.on_conflict_do_update(
                index_elements=[_known.c.user_id, _known.c.network], set_={"last_used_at": now}
            )
        )

    async def delete_addresses(self, *, unused_since: datetime) -> None:
        await self._connection.execute(delete(_known).where(_known.c.last_used_at < unused_since))

    async def _secrets(self, whose: Any, network: str, since: datetime) -> Secrets | None:
        lately = (
            select(_known.c.network)
            .where(_known.c.user_id == _u.id, _known.c.network == network, _known.c.last_used_at > since)
            .exists()
        )
        found = select(_u.id, _u.username, _u.password_hash, _u.is_active, lately).where(whose)
        row = (await self._connection.execute(found)).one_or_none()
        return None if row is None else Secrets(*row)


def _account(row: Any) -> Account | None:
    return None if row is None else Account(*row)
