"""Passwords that change while they are verified: the old one is useless."""

from collections.abc import AsyncIterator, Awaitable, Callable

import bcrypt
import pytest

from app.container import Container, issuer_of
from app.errors import Forbidden
from app.schemas.domain.accounts import PERMISSIONS, ClientInfo, Principal
from app.services.accounts.login_throttle import LoginThrottle
from app.services.accounts.password_hashing import PasswordHasher, VerifyResult
from app.services.accounts.passwords import PasswordService
from app.services.accounts.reauthentication import Reauthentication
from app.services.accounts.sessions import SessionService, WrongCredentials
from app.services.accounts.users import ProfileChange, UserService
from app.utils.db.database import ReferenceGone
from tests.fixtures.accounts import PASSWORD, SignedIn
from tests.services.accounts.test_sessions import mailed_token

HERE = ClientInfo("192.0.2.1", "192.0.2.1", "tests")
NEW = "another horse 8"


class InterruptedHashing(PasswordHasher):
    """Runs a callback between a comparison and what follows it."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def verify(self, password: str, stored: str | None) -> VerifyResult:
        verdict = await super().verify(password, stored)
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
        return verdict


@pytest.fixture
async def hasher() -> AsyncIterator[InterruptedHashing]:
    hasher = InterruptedHashing(threads=2)
    yield hasher
    hasher.close()


@pytest.fixture
def reauthentication(container: Container, hasher: InterruptedHashing) -> Reauthentication:
    return Reauthentication(container.db, hasher, LoginThrottle(container.db, container.quotas))


@pytest.fixture
def sessions(container: Container, hasher: InterruptedHashing) -> SessionService:
    throttle = LoginThrottle(container.db, container.quotas)
    blacklist = container.accounts.sessions._blacklist
    return SessionService(container.db, issuer_of(container.settings), hasher, throttle, blacklist)


def reset_of(container: Container, user: SignedIn) -> Callable[[], Awaitable[None]]:
    async def reset() -> None:
        await container.accounts.passwords.reset(await mailed_token(container, user.id), NEW, HERE)

    return reset


def principal_of(user: SignedIn) -> Principal:
    return Principal(user.id, user.username, "user", PERMISSIONS["user"])


async def store_hash(container: Container, user: SignedIn, password_hash: str) -> None:
    async with container.db.transaction() as tx:
        connection = await tx.session.connection()
        await connection.exec_driver_sql(
            "update users set password_hash = $1 where id = $2", (password_hash, user.id)
        )


async def test_a_reset_invalidates_a_running_sign_in(
    container: Container, sessions: SessionService, hasher: InterruptedHashing, user: SignedIn
) -> None:
    hasher.meanwhile = reset_of(container, user)
    with pytest.raises(WrongCredentials):
        await sessions.sign_in(user.username, PASSWORD, HERE)
    assert await container.accounts.sessions.list(user.id, limit=20, offset=0) == ([], 0)
    assert (await sessions.sign_in(user.username, NEW, HERE)).access_token


async def test_the_upgrade_of_an_old_hash_never_undoes_a_reset(
    container: Container, sessions: SessionService, hasher: InterruptedHashing, user: SignedIn
) -> None:
    await store_hash(container, user, bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode())
    hasher.meanwhile = reset_of(container, user)
    with pytest.raises(WrongCredentials):
        await sessions.sign_in(user.username, PASSWORD, HERE)
    assert (await sessions.sign_in(user.username, NEW, HERE)).access_token


async def test_a_concurrent_hash_upgrade_does_not_reject_a_sign_in(
    container: Container, sessions: SessionService, hasher: InterruptedHashing, user: SignedIn
) -> None:
    await store_hash(container, user, bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode())

    async def sign_in_too() -> None:
        await container.accounts.sessions.sign_in(user.username, PASSWORD, HERE)

    hasher.meanwhile = sign_in_too
    assert (await sessions.sign_in(user.username, PASSWORD, HERE)).access_token


async def test_an_account_erased_meanwhile_is_unknown(
    container: Container, sessions: SessionService, hasher: InterruptedHashing, user: SignedIn
) -> None:
    async def erase() -> None:
        await container.accounts.users.erase(principal_of(user), PASSWORD, HERE)

    hasher.meanwhile = erase
    with pytest.raises(WrongCredentials):
        await sessions.sign_in(user.username, PASSWORD, HERE)


async def test_a_proof_is_invalid_after_a_reset(
    container: Container, reauthentication: Reauthentication, hasher: InterruptedHashing, user: SignedIn
) -> None:
    me = principal_of(user)
    passwords = PasswordService(container.db, hasher, reauthentication, container.quotas, container.jobs)
    users = UserService(container.db, container.accounts.avatars, reauthentication, container.jobs)
    password = PASSWORD
    for attempt in (
        lambda: passwords.change(me, password, "a thief's horse 9", HERE),
        lambda: users.erase(me, password, HERE),
        lambda: users.change(me, ProfileChange({"email": "thief@example.org"}, password=password), HERE),
    ):
        await store_hash(container, user, await hasher.hash(PASSWORD))
        hasher.meanwhile = reset_of(container, user)
        with pytest.raises(Forbidden):
            await attempt()
        assert (await container.accounts.users.get(user.id)).email == f"{user.username}@example.org"
        assert (await container.accounts.sessions.sign_in(user.username, NEW, HERE)).access_token


async def test_nothing_is_created_for_an_erased_account(container: Container, user: SignedIn) -> None:
    me = principal_of(user)
    await container.accounts.users.erase(me, PASSWORD, HERE)
    with pytest.raises(ReferenceGone):
        await container.accounts.tokens.mint(me, name="x", scopes=["read:content"], days=1)
