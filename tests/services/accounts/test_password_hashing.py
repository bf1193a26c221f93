"""Password hashes: argon2id, upgrades, no truncation, off the event loop."""

import asyncio
import time
from collections.abc import Iterator

import bcrypt
import pytest

from app.container import Container
from app.schemas.domain.accounts import ClientInfo
from app.services.accounts.password_hashing import PasswordHasher
from app.services.accounts.sessions import WrongCredentials
from tests.fixtures.accounts import SignedIn

HERE = ClientInfo("192.0.2.1", "192.0.2.1", "tests")


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    hasher = PasswordHasher(threads=2)
    yield hasher
    hasher.close()


def old_hash(password: str) -> str:
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()


async def test_the_hash_parameters_are_the_agreed_ones(hasher: PasswordHasher) -> None:
    assert (await hasher.hash("a password")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize(
    "password", ["correct horse 7", "пароль и ещё", "🦊" * 128, "x" * 128, "zero\x00inside", " spaces "]
)
async def test_any_password_verifies(hasher: PasswordHasher, password: str) -> None:
    stored = await hasher.hash(password)
    assert (await hasher.verify(password, stored)).matches
    assert not (await hasher.verify(password + "!", stored)).matches
    assert not (await hasher.verify(password.swapcase() + " ", stored)).matches


async def test_passwords_are_never_truncated(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("x" * 72 + "right")
    assert not (await hasher.verify("x" * 72 + "wrong", stored)).matches
    assert not (await hasher.verify("x" * 72 + "right", old_hash("x" * 72))).matches


async def test_unicode_forms_of_a_password_are_equal(hasher: PasswordHasher) -> None:
    composed, decomposed = "caf\u00e9 au lait", "cafe\u0301 au lait"
    assert (await hasher.verify(decomposed, await hasher.hash(composed))).matches
    assert (await hasher.verify("\uff43\uff41\uff46e au lait", await hasher.hash("cafe au lait"))).matches


@pytest.mark.parametrize("stored", [None, "", "x", "$2b$04$broken", "$argon2id$v=19$broken", "plain text"])
async def test_a_malformed_hash_matches_nothing(hasher: PasswordHasher, stored: str | None) -> None:
    assert not (await hasher.verify("plain text", stored)).matches


@pytest.mark.parametrize(
    "password", ["x" * 100_000, "\ufdfa" * 1024, "\u0345\u0334" * 100_000]
)  # which grows by 18 when normalised
async def test_a_text_too_long_to_hash_costs_one_hash_and_matches_nothing(
    hasher: PasswordHasher, password: str
) -> None:
    stored = await hasher.hash("plain text")
    spent = []
    for hashed in (None, stored, old_hash("plain text")):
        started = time.perf_counter()
        assert not (await hasher.verify(password, hashed)).matches
        spent.append(time.perf_counter() - started)
    assert max(spent) < 5 * min(spent), "the time tells whether there is an account"


async def test_the_longest_password_works_in_another_unicode_form(hasher: PasswordHasher) -> None:
    longest = await hasher.hash("\ufdfa" * 128)
    assert (await hasher.verify("\ufdfa" * 128, longest)).matches
    assert (await hasher.verify("e\u0301" * 128, await hasher.hash("\u00e9" * 128))).matches


async def test_an_old_hash_is_upgraded_when_its_owner_signs_in(container: Container, user: SignedIn) -> None:
    password = "an old password"
    async with container.db.transaction() as tx:
        connection = await tx.session.connection()
        await connection.exec_driver_sql(
            "update users set password_hash = $1 where id = $2", (old_hash(password), user.id)
        )
    with pytest.raises(WrongCredentials):
        await container.accounts.sessions.sign_in(user.username, "another password", HERE)
    stored = "select password_hash from users where id = :id"
    assert (await container.db.scalar(stored, {"id": user.id})).startswith("$2b$")
    for _ in range(2):
        await container.accounts.sessions.sign_in(user.username, password, HERE)
        new = await container.db.scalar(stored, {"id": user.id})
        assert new.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_hashing_does_not_block_the_event_loop(hasher: PasswordHasher) -> None:
    """Relative to one hash, which would block the loop for that long if it were computed there."""
    stored = await hasher.hash("a password")
    started = time.perf_counter()
    await hasher.verify("a password", stored)
    one_hash = time.perf_counter() - started
    done, lags = False, []

    async def watch() -> None:
        while not done:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - before - 0.001)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(hasher.verify("a password", stored) for _ in range(40)))
    done = True
    await watcher
    assert sorted(lags)[len(lags) // 2] < one_hash / 2
