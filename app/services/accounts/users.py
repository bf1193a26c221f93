"""User accounts: profiles, erasure, and administration by operators."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import Conflict, Invalid, NotFound
from app.repositories.accounts import AccountRepository
from app.repositories.library import lock_lists
from app.repositories.resets import ResetRepository
from app.repositories.sessions import SessionRepository
from app.repositories.throttles import ThrottleRepository
from app.repositories.tokens import TokenRepository
from app.schemas.domain.accounts import Account, ClientInfo, Principal, Role
from app.schemas.jobs import SendMail
from app.services.accounts import KNOWN_FOR, Reauthentication, audit
from app.services.accounts.avatars import AvatarService
from app.services.jobs import JobService
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """``values`` are changed columns, ``picture`` an upload; a new e-mail address needs the password."""

    values: Mapping[str, Any]
    picture: bytes | None = None
    password: str | None = None


class UserService:
    def __init__(
        self,
        db: Database,
        avatars: AvatarService,
        reauthentication: Reauthentication,
        jobs: JobService,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self._avatars = avatars
        self._reauthentication = reauthentication
        self._jobs = jobs
        self._clock = clock

    async def get(self, user_id: int) -> Account:
        async with self._db.reader() as connection:
            account = await AccountRepository(connection).find(user_id)
        if account is None:
            raise NotFound("There is no such account.")
        return account

    async def get_own(self, user: Principal) -> Account:
        """The account of the requester, as read when the request was authenticated."""
        return user.account or await self.get(user.user_id)

    async def get_public(self, username: str) -> Account:
        """An account with a public list, by its name in any case."""
        async with self._db.reader() as connection:
            account = await AccountRepository(connection).find_public(username)
        if account is None:
            raise NotFound("There is no such account, or its list is private.")
        return account

    async def get_by_username(self, username: str) -> Account:
        """Any account by its name in any case; raises :class:`NotFound`."""
        async with self._db.reader() as connection:
            account = await AccountRepository(connection).find_by_username(username)
        if account is None:
            raise NotFound(f"There is no account {username}.")
        return account

    async def list(self, *, limit: int, offset: int) -> tuple[list[Account], int]:
        """One page of all accounts, and their total number."""
        async with self._db.reader() as connection:
            return await AccountRepository(connection).list(limit=limit, offset=offset)

    async def change(self, user: Principal, change: ProfileChange, client: ClientInfo) -> Account:
        """Change the user's own profile, atomically."""
        before = await self.get(user.user_id)
        values = dict(change.values)
        proven = None
        if values.get("email", before.email) != before.email:
            proven = await self._prove(user, change.password, client)
        if change.picture is not None:
            values["avatar"] = await self._avatars.make(change.picture)
        if not values:
            return before
        try:
            account, old_avatar = await self._store(before, values, proven)
        except BaseException:
            await self._avatars.discard(values.get("avatar"))
            raise
        if "avatar" in values:
            await self._avatars.discard(old_avatar)
        return account

    async def administer(
        self, actor: Principal | None, user_id: int, *, role: Role | None, is_active: bool | None
    ) -> Account:
        """Change the role of an account, or (de)activate it; the last active admin is protected.

        ``actor`` is None on the command line.
        """
        given = {"role": role, "is_active": is_active}
        values = {name: value for name, value in given.items() if value is not None}
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx)
            admins = await accounts.lock_admins()
            account = await accounts.update(user_id, values)
            if account is None:
                raise NotFound("There is no such account.")
            stays = account.role == "admin" and account.is_active
            if not stays and admins == {user_id}:
                raise Conflict("This is the last active administrator.")
            if not account.is_active:
                await SessionRepository(tx).delete_by_user(user_id)
        audit("account.administered", user_id=user_id, by=actor and actor.user_id, **values)
        return account

    async def erase(self, user: Principal, password: str, client: ClientInfo) -> None:
        """Delete the account and everything that belongs to it."""
        proven = await self._reauthentication.check(user.user_id, password, client, field="password")
        async with self._db.transaction() as tx:
            # first, like every writer of a list: a running import would otherwise cause a deadlock
            await lock_lists(tx, [user.user_id])
            accounts = AccountRepository(tx)
            if await accounts.lock_admins() == {user.user_id}:
                raise Conflict("This is the last active administrator.")
            await self._reauthentication.recheck(tx, user.user_id, proven)
            avatar = await accounts.find_avatar(user.user_id)
            await accounts.delete(user.user_id)
            tx.after_commit(lambda: self._avatars.discard(avatar))
        audit("account.erased", user_id=user.user_id)

    async def tidy(self) -> int:
        """Delete expired rows and orphaned pictures; returns the number of pictures."""
        now = self._clock()
        async with self._db.transaction() as tx:
            await SessionRepository(tx).delete_expired(now)
            await TokenRepository(tx).delete_expired(now)
            await ResetRepository(tx).delete_expired(now)
            await ThrottleRepository(tx).delete_expired(now)
            await AccountRepository(tx).delete_addresses(unused_since=now - KNOWN_FOR)
        async with self._db.reader() as connection:
            shown = await AccountRepository(connection).list_avatars()
        return await self._avatars.discard_all_but(shown)

    async def _prove(self, user: Principal, password: str | None, client: ClientInfo) -> str:
        if password is None:
            text = "A new e-mail address needs your current password."
            raise Invalid.fields({"current_password": [text]}, code="required")
        return await self._reauthentication.check(user.user_id, password, client)

    async def _store(
        self, before: Account, values: Mapping[str, Any], proven: str | None
    ) -> tuple[Account, str | None]:
        """The changed account and its previous avatar; ``proven`` is needed for a new e-mail address."""
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx)
            if proven is not None:
                await self._reauthentication.recheck(tx, before.id, proven)
            old_avatar = await accounts.find_avatar(before.id)
            account = await accounts.update(before.id, values)
            if account is None:
                raise NotFound("There is no such account.")
            if proven is not None:
                await self._notify_both_addresses(tx, before.email, account)
        return account, old_avatar

    async def _notify_both_addresses(self, tx: Transaction, old: str | None, account: Account) -> None:
        await ResetRepository(tx).delete_by_user(account.id)
        for address in {old, account.email} - {None}:
            mail = SendMail(account.id, "email_changed", secrets.token_hex(8), to=address)
            await self._jobs.enqueue(tx, mail)
        audit("email.changed", user_id=account.id)
