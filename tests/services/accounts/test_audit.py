"""The audit trail: a log line and a count per event, without secrets."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.container import Container
from app.errors import AppError
from app.schemas.domain.accounts import PERMISSIONS, ClientInfo, Principal
from app.services.accounts.users import ProfileChange
from app.utils.metrics import AUTH_EVENTS
from tests.fixtures.accounts import PASSWORD, SignedIn
from tests.services.accounts.test_sessions import mailed_token

HERE = ClientInfo("192.0.2.7", "192.0.2.7", "tests")
NEW = "another horse 8"


@dataclass
class Trail:
    lines: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)


def _counts() -> dict[str, float]:
    [metric] = AUTH_EVENTS.collect()
    return {one.labels["event"]: one.value for one in metric.samples if one.name.endswith("_total")}


@contextmanager
def trailed() -> Iterator[Trail]:
    """The log lines and counters added during the block."""
    trail, before = Trail(), _counts()
    with capture_logs() as logs:
        yield trail
    trail.lines = [
        {**line, "event": line["event"].removeprefix("auth.")}
        for line in logs
        if line["event"].startswith("auth.")
    ]
    grown = {event: count - before.get(event, 0) for event, count in _counts().items()}
    trail.counts = {event: count for event, count in grown.items() if count}


def principal_of(user: SignedIn) -> Principal:
    return Principal(user.id, user.username, "user", PERMISSIONS["user"])


async def test_sign_ins_and_failures(container: Container, user: SignedIn) -> None:
    with trailed() as trail:
        await container.accounts.sessions.sign_in(user.username, PASSWORD, HERE)
        for _ in range(7):
            with suppress(AppError):
                await container.accounts.sessions.sign_in(user.username, "a wrong guess", HERE)
        with suppress(AppError):
            await container.accounts.sessions.sign_in("typed-a-secret-here", "a wrong guess", HERE)
    where = {"address": HERE.address, "log_level": "info"}
    assert trail.lines == [
        {"event": "sign_in.succeeded", "user_id": user.id, **where},
        *[{"event": "sign_in.failed", "user_id": user.id, **where}] * 5,
        {"event": "sign_in.failed", "user_id": None, **where},
    ]
    # rejections of a flood are counted, and do not fill the log
    assert trail.counts == {"sign_in.succeeded": 1, "sign_in.failed": 6, "throttled": 2}


async def test_a_token_that_is_used_again(container: Container, user: SignedIn) -> None:
    pair = await container.accounts.sessions.refresh(user.refresh_token, HERE)
    await container.accounts.sessions.refresh(pair.refresh_token, HERE)
    [session], _ = await container.accounts.sessions.list(user.id, limit=20, offset=0)
    with trailed() as trail:
        for _ in range(2):
            with pytest.raises(AppError):
                await container.accounts.sessions.refresh(user.refresh_token, HERE)
    [line] = trail.lines
    assert line["event"] == "refresh.reused"
    assert (line["user_id"], line["address"]) == (user.id, HERE.address)
    assert line["session_id"] == str(session.id)
    assert trail.counts == {"refresh.reused": 1}


async def test_role_changes_and_deactivations_name_the_operator(
    container: Container, admin: SignedIn, user: SignedIn
) -> None:
    actor = Principal(admin.id, admin.username, "admin", PERMISSIONS["admin"])
    with trailed() as trail:
        await container.accounts.users.administer(actor, user.id, role="admin", is_active=None)
        await container.accounts.users.administer(actor, user.id, role=None, is_active=False)
    told = {"event": "account.administered", "user_id": user.id, "by": admin.id, "log_level": "info"}
    assert trail.lines == [{**told, "role": "admin"}, {**told, "is_active": False}]


async def test_registration_and_creation_are_different_events(container: Container) -> None:
    with trailed() as trail:
        await container.accounts.registration.register(HERE, username="azu", email=None, password=PASSWORD)
        await container.accounts.registration.sign_up(
            HERE, username="ritsu", password=PASSWORD, full_name=None
        )
        await container.accounts.registration.create(
            username="yui", email=None, password=PASSWORD, role="admin"
        )
        await container.accounts.registration.ensure_demo()
    assert [line["event"] for line in trail.lines] == ["registered", "registered", "account.created"]
    assert [line.get("address") for line in trail.lines] == [HERE.address, HERE.address, None]
    assert trail.counts == {"registered": 2, "account.created": 1}


async def test_changes_of_credentials_are_events(container: Container, user: SignedIn) -> None:
    me = principal_of(user)
    change = ProfileChange({"email": "new@example.org"}, password=PASSWORD)
    with trailed() as trail:
        await container.accounts.registration.register(HERE, username="azu", email=None, password=PASSWORD)
        token, secret = await container.accounts.tokens.mint(me, name="x", scopes=["read:content"], days=1)
        await container.accounts.tokens.revoke(user.id, token.id)
        await container.accounts.users.change(me, change, HERE)
        with suppress(AppError):
            await container.accounts.passwords.change(me, "a wrong guess", NEW, HERE)
        await container.accounts.passwords.change(me, PASSWORD, NEW, HERE)
        await container.accounts.passwords.forget("new@example.org", HERE)
        await container.accounts.passwords.reset(await mailed_token(container, user.id), PASSWORD, HERE)
        tokens = await container.accounts.sessions.sign_in(user.username, PASSWORD, HERE)
        await container.accounts.sessions.sign_out(access_token=tokens.access_token, refresh_token=None)
        await container.accounts.sessions.end_all(me)
        await container.accounts.users.erase(me, PASSWORD, HERE)
    assert [line["event"] for line in trail.lines] == [
        "registered", "api_token.minted", "api_token.revoked", "email.changed", "proof.failed",
        "password.changed", "password.reset_asked", "password.reset", "sign_in.succeeded", "sign_out",
        "session.all_ended", "account.erased",
    ]  # fmt: skip
    assert trail.counts == {line["event"]: 1 for line in trail.lines}
    assert {line["user_id"] for line in trail.lines[1:]} == {user.id}
    text = repr(trail.lines)
    assert [word for word in (PASSWORD, NEW, "a wrong guess", secret, "@example.org") if word in text] == []
