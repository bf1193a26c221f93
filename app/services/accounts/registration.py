"""Creating accounts: by users themselves, by operators, and the demo account."""

import re
import secrets
from collections.abc import Iterator

from app.errors import RateLimited, RegistrationClosed, Taken
from app.repositories.accounts import AccountRepository
from app.schemas.domain.accounts import Account, ClientInfo, Role, TokenPair
from app.services.accounts.audit import audit, count_event
from app.services.accounts.demo import DEMO_NAME, DEMO_PASSWORD
from app.services.accounts.password_hashing import PasswordHasher
from app.services.accounts.password_rules import check_new_password
from app.services.accounts.token_issuer import TokenIssuer
from app.utils.db.database import Database, Transaction
from app.utils.redis.quotas import Quota, Quotas, rate_headers

REGISTRATIONS = Quota("registrations", 60, 60)

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")


class RegistrationService:
    """Creates accounts; every registration counts against the quota of the client's network.

    With ``is_open`` false only operators create accounts.
    """

    def __init__(
        self,
        db: Database,
        issuer: TokenIssuer,
        hasher: PasswordHasher,
        quotas: Quotas,
        *,
        is_open: bool = True,
    ) -> None:
        self._is_open = is_open
        self._db = db
        self._issuer = issuer
        self._hasher = hasher
        self._quotas = quotas

    async def register(
        self,
        client: ClientInfo,
        *,
        username: str | None,
        email: str | None,
        password: str,
        full_name: str | None = None,
    ) -> TokenPair:
        """Create an account and sign it in; raises :class:`Taken` and :class:`RegistrationClosed`."""
        await self._admit(client)
        password_hash = await self._hash(password, username, email)
        async with self._db.transaction() as tx:
            account = await _insert(tx, username, email, full_name, password_hash, "user")
            tokens = await self._issuer.open(tx, account.id, client)
        audit("registered", user_id=account.id, address=client.address)
        return tokens

    async def sign_up(
        self, client: ClientInfo, *, username: str, password: str, full_name: str | None
    ) -> Account:
        """Create an account without signing it in; raises :class:`Taken` and :class:`RegistrationClosed`."""
        await self._admit(client)
        password_hash = await self._hash(password, username)
        async with self._db.transaction() as tx:
            account = await _insert(tx, username, None, full_name, password_hash, "user")
        audit("registered", user_id=account.id, address=client.address)
        return account

    async def create(
        self,
        *,
        username: str | None,
        email: str | None,
        password: str,
        full_name: str | None = None,
        role: Role = "user",
    ) -> Account:
        """Create an account for an operator; raises :class:`Taken`."""
        password_hash = await self._hash(password, username, email)
        async with self._db.transaction() as tx:
            account = await _insert(tx, username, email, full_name, password_hash, role)
        audit("account.created", user_id=account.id, role=role)
        return account

    async def ensure_demo(self) -> None:
        """Create the demo account if it does not exist."""
        async with self._hasher.slot():
            password_hash = await self._hasher.hash(DEMO_PASSWORD)
        async with self._db.transaction() as tx:
            await AccountRepository(tx).insert(
                username=DEMO_NAME, email=None, full_name="Demo", password_hash=password_hash, role="user"
            )

    async def _admit(self, client: ClientInfo) -> None:
        if not self._is_open:
            raise RegistrationClosed
        standing = await self._quotas.take(REGISTRATIONS, client.network)
        client.headers.update(rate_headers(REGISTRATIONS, standing))
        if not standing.allowed:
            count_event("throttled")
            raise RateLimited(retry_after=standing.reset_after)

    async def _hash(self, password: str, *names: str | None) -> str:
        check_new_password(password, *names)
        async with self._hasher.slot():
            return await self._hasher.hash(password)


async def _insert(
    tx: Transaction,
    username: str | None,
    email: str | None,
    full_name: str | None,
    password_hash: str,
    role: Role,
) -> Account:
    accounts = AccountRepository(tx)
    for name in [username] if username else _names_from(email or ""):
        account = await accounts.insert(
            username=name, email=email, full_name=full_name, password_hash=password_hash, role=role
        )
        if account is not None:
            return account
        if username or (email and await accounts.has_email(email)):
            break
    raise Taken(await accounts.list_taken(username, email))


def _names_from(email: str) -> Iterator[str]:
    """Candidate user names derived from the e-mail address, the plain one first."""
    base = _NOT_IN_NAMES.sub("", email.partition("@")[0])[:24].strip(".-")
    if len(base) >= 3:
        yield base
    base = base or "user"
    for _ in range(20):
        yield f"{base}-{secrets.randbelow(10**6):06}"
