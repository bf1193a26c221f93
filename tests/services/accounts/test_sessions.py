"""Sessions: rotation, reuse of tokens, and their end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from app.config import Settings
from app.container import Container, build
from app.errors import Unauthenticated
from app.schemas.domain.accounts import PERMISSIONS, ClientInfo, Principal, TokenPair
from app.schemas.jobs import SendMail
from app.utils.db.database import Database
from tests.fixtures.accounts import PASSWORD, SignedIn, make_account

HERE = ClientInfo("192.0.2.1", "192.0.2.1", "tests")


async def refresh(container: Container, token: str) -> TokenPair:
    return await container.accounts.sessions.refresh(token, HERE)


async def is_valid(container: Container, access_token: str) -> bool:
    try:
        await container.accounts.authentication.authenticate(access_token)
    except Unauthenticated:
        return False
    return True


async def sign_in(container: Container, name: str, device: str = "tests") -> TokenPair:
    return await container.accounts.sessions.sign_in(
        name, PASSWORD, ClientInfo("192.0.2.1", "192.0.2.1", device)
    )


@pytest.mark.parametrize("generation", [0, 1, 2])
async def test_an_old_token_ends_its_session_and_no_other(
    container: Container, user: SignedIn, generation: int
) -> None:
    other = await sign_in(container, user.username)
    chain = [user.refresh_token]
    access = [user.access_token]
    for _ in range(4):
        pair = await refresh(container, chain[-1])
        chain.append(pair.refresh_token)
        access.append(pair.access_token)
    assert all([await is_valid(container, token) for token in access])
    with pytest.raises(Unauthenticated) as reuse:
        await refresh(container, chain[generation])
    assert reuse.value.details == {"reason": "token_reused"}
    for token in chain:
        with pytest.raises(Unauthenticated):
            await refresh(container, token)
    assert not any([await is_valid(container, token) for token in access])
    assert await is_valid(container, other.access_token)
    assert (await refresh(container, other.refresh_token)).refresh_token


@pytest.mark.parametrize("after", [0, 31, 6 * 24 * 3600])  # seconds; a session lives for 7 days unused
async def test_a_spent_token_returns_its_successor_at_any_time(
    container: Container, user: SignedIn, after: float
) -> None:
    with time_machine.travel(datetime.now(UTC), tick=False) as now:
        first = await refresh(container, user.refresh_token)
        now.shift(after)
        for _ in range(3):
            again = await refresh(container, user.refresh_token)
            assert again.refresh_token == first.refresh_token
            assert await is_valid(container, again.access_token)
        assert (await refresh(container, first.refresh_token)).refresh_token != first.refresh_token


async def test_a_spent_token_counts_as_reuse_once_its_successor_was_used(
    container: Container, user: SignedIn
) -> None:
    first = await refresh(container, user.refresh_token)
    second = await refresh(container, first.refresh_token)
    with pytest.raises(Unauthenticated):
        await refresh(container, user.refresh_token)
    assert not await is_valid(container, second.access_token)


async def test_twenty_concurrent_refreshes_share_one_successor(container: Container, user: SignedIn) -> None:
    token = user.refresh_token
    for _ in range(5):
        pairs = await asyncio.gather(*(refresh(container, token) for _ in range(20)))
        assert len({pair.refresh_token for pair in pairs}) == 1
        assert len({pair.access_token for pair in pairs}) == 20
        token = pairs[0].refresh_token
    rows = await container.db.scalar("select count(*) from sessions")
    assert rows == 1


@pytest.fixture
async def new_secret(settings: Settings, database: Database) -> AsyncIterator[Container]:
    """The same installation after its secret was replaced."""
    changed = {
        "secret_key": "a newer secret of tests, of 32 bytes too",
        "secret_key_previous": settings.secret,
    }
    async with build(Settings(**{**settings.model_dump(), **changed}, _env_file=None), db=database) as one:
        yield one


async def test_tokens_of_the_previous_secret_stay_valid(
    container: Container, new_secret: Container, user: SignedIn
) -> None:
    assert await is_valid(new_secret, user.access_token)
    old = await refresh(container, user.refresh_token)
    again = await refresh(new_secret, user.refresh_token)
    assert again.refresh_token == old.refresh_token
    new = await refresh(new_secret, again.refresh_token)
    assert await is_valid(new_secret, new.access_token)


async def test_an_unused_session_expires(container: Container, user: SignedIn) -> None:
    with time_machine.travel(datetime.now(UTC), tick=False) as now:
        pair = await refresh(container, user.refresh_token)
        now.shift(timedelta(days=7, seconds=-1))
        pair = await refresh(container, pair.refresh_token)
        now.shift(timedelta(days=7))
        with pytest.raises(Unauthenticated):
            await refresh(container, pair.refresh_token)


async def test_a_session_expires_after_its_maximum_lifetime(container: Container, user: SignedIn) -> None:
    with time_machine.travel(datetime.now(UTC), tick=False) as now:
        pair = await sign_in(container, user.username)
        for _ in range(89 // 6):
            now.shift(timedelta(days=6))
            pair = await refresh(container, pair.refresh_token)
        now.shift(timedelta(days=90 - 89 // 6 * 6, seconds=-10))
        pair = await refresh(container, pair.refresh_token)
        assert pair.expires_in <= 10
        now.shift(11)
        with pytest.raises(Unauthenticated):
            await refresh(container, pair.refresh_token)


async def test_the_least_recently_used_of_too_many_sessions_is_ended(
    container: Container, user: SignedIn
) -> None:
    async with container.db.transaction() as tx:
        connection = await tx.session.connection()
        await connection.exec_driver_sql(
            "insert into sessions (user_id, refresh_hash, last_used_at, expires_at) "
            "select $1, int4send(n), now() + n * interval '1 second', now() + interval '1 day' "
            "from generate_series(1, 499) n",
            (user.id,),
        )
    assert (await container.accounts.sessions.list(user.id, limit=1, offset=0))[1] == 500
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        newest = await sign_in(container, user.username)
        assert (await container.accounts.sessions.list(user.id, limit=1, offset=0))[1] == 500
        assert await is_valid(container, newest.access_token)
    assert not await is_valid(container, user.access_token)


async def test_a_session_shows_where_and_when_it_was_used(container: Container, user: SignedIn) -> None:
    phone = ClientInfo("2001:db8::7", "2001:db8::/64", "a phone")
    pair = await container.accounts.sessions.sign_in(user.username, PASSWORD, phone)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=5)):
        moved = ClientInfo("198.51.100.4", "198.51.100.4", "a phone, updated")
        await container.accounts.sessions.refresh(pair.refresh_token, moved)
        [first, second], _ = await container.accounts.sessions.list(user.id, limit=20, offset=0)
    assert (first.device, first.address) == ("a phone, updated", "198.51.100.4")
    assert first.last_used_at - first.created_at > timedelta(minutes=4)
    assert (second.device, second.address) == ("tests", "192.0.2.1")


Trigger = Callable[[Container, SignedIn, Principal], Awaitable[None]]


async def _sign_out(container: Container, user: SignedIn, _: Principal) -> None:
    await container.accounts.sessions.sign_out(access_token=user.access_token, refresh_token=None)


async def _sign_out_by_refresh_token(container: Container, user: SignedIn, _: Principal) -> None:
    await container.accounts.sessions.sign_out(access_token=None, refresh_token=user.refresh_token)


async def _end_all(container: Container, _: SignedIn, principal: Principal) -> None:
    await container.accounts.sessions.end_all(principal)


async def _change_password(container: Container, _: SignedIn, principal: Principal) -> None:
    await container.accounts.passwords.change(principal, PASSWORD, "another horse 8", HERE)


async def _reset_password(container: Container, user: SignedIn, _: Principal) -> None:
    token = await mailed_token(container, user.id)
    await container.accounts.passwords.reset(token, "another horse 8", HERE)


async def _close(container: Container, user: SignedIn, _: Principal) -> None:
    admin = await make_account(container, role="admin")
    actor = Principal(admin.id, admin.username, "admin", PERMISSIONS["admin"])
    await container.accounts.users.administer(actor, user.id, role=None, is_active=False)


async def _erase(container: Container, _: SignedIn, principal: Principal) -> None:
    await container.accounts.users.erase(principal, PASSWORD, HERE)


# What remains valid: of the acting session, of another session, of an API token.
_LEFT: dict[Trigger, tuple[bool, bool, bool]] = {
    _sign_out: (False, True, True),
    _sign_out_by_refresh_token: (False, True, True),
    _end_all: (False, False, True),
    _change_password: (True, False, True),
    _reset_password: (False, False, False),
    _close: (False, False, False),
    _erase: (False, False, False),
}


@pytest.mark.parametrize("trigger", list(_LEFT), ids=lambda trigger: trigger.__name__)
async def test_which_events_end_which_sessions(
    container: Container, user: SignedIn, trigger: Trigger
) -> None:
    other = await sign_in(container, user.username)
    stranger = await make_account(container)
    principal = await container.accounts.authentication.authenticate(user.access_token)
    _, program = await container.accounts.tokens.mint(principal, name="x", scopes=["read:profile"], days=1)
    await trigger(container, user, principal)
    own, others, programs = _LEFT[trigger]
    assert await is_valid(container, user.access_token) == own
    assert await can_refresh(container, user.refresh_token) == own
    assert await is_valid(container, other.access_token) == others
    assert await can_refresh(container, other.refresh_token) == others
    assert await is_valid(container, program) == programs
    assert await is_valid(container, stranger.access_token)


async def can_refresh(container: Container, token: str) -> bool:
    try:
        await refresh(container, token)
    except Unauthenticated:
        return False
    return True


async def mailed_token(container: Container, user_id: int) -> str:
    """The reset token as sent by mail."""
    sent: list[str] = []

    class Letterbox:
        async def send(self, _to: str, _subject: str, text: str) -> None:
            sent.append(text)

    mails = type(container.accounts.mails)(container.db, Letterbox())  # type: ignore[arg-type]
    await mails.send(SendMail(user_id, "reset", "x"))
    return next(line for line in sent[0].splitlines() if line.startswith("Token: ")).removeprefix("Token: ")


async def test_a_deactivated_account_gets_the_error_of_a_wrong_password(
    container: Container, user: SignedIn
) -> None:
    await _close(container, user, await container.accounts.authentication.authenticate(user.access_token))
    with pytest.raises(Unauthenticated) as closed:
        await container.accounts.sessions.sign_in(user.username, PASSWORD, HERE)
    with pytest.raises(Unauthenticated) as wrong:
        await container.accounts.sessions.sign_in(user.username, "not the password", HERE)
    assert closed.value.message == wrong.value.message


async def test_the_demo_account_works_only_if_enabled(
    container: Container, settings: Settings, database: Database
) -> None:
    await container.accounts.registration.ensure_demo()
    await container.accounts.registration.ensure_demo()
    with pytest.raises(Unauthenticated):
        await container.accounts.sessions.sign_in("demo", "demo1234", HERE)
    allowed = settings.model_copy(update={"demo_user": True})
    async with build(allowed, db=database) as demo:
        assert (await demo.accounts.sessions.sign_in("demo", "demo1234", HERE)).access_token


@pytest.mark.parametrize(
    "change",
    ["update users set is_active = false", "update sessions set expires_at = now()", "delete from sessions"],
)
async def test_the_session_row_is_authoritative(container: Container, user: SignedIn, change: str) -> None:
    assert await is_valid(container, user.access_token)
    async with container.db.transaction() as tx:
        await (await tx.session.connection()).exec_driver_sql(change)
    assert not await is_valid(container, user.access_token)
    assert not await can_refresh(container, user.refresh_token)
