"""Connecting an AniList account: failures, expiry, and secrecy of tokens."""

import base64
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from dirty_equals import IsPartialDict
from pydantic import SecretStr
from sqlalchemy import text

from app.config import Settings
from app.errors import TokenRefused
from app.repositories.sync import LinkRepository
from app.schemas.domain.sync import RemoteAccount
from app.services.sync.accounts import ServiceAccounts
from app.utils.clock import utc_now
from app.utils.crypto.encryption import Encryption
from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn, make_account
from tests.fixtures.anilist import Connected, connected
from tests.standin.anilist import CODE, AniListStandin, state_of

CALLBACK = "/api/anilist/callback"


@pytest.fixture
def anilist() -> AniListStandin:
    return AniListStandin()


@pytest.fixture
async def me(settings: Settings, database: Database, anilist: AniListStandin) -> AsyncIterator[Connected]:
    async with connected(settings, database, anilist) as somebody:
        yield somebody


async def ask_url(me: Connected) -> str:
    url: str = (await me.client.get("/api/anilist/connect-url")).json()["url"]
    return url


async def come_back(me: Connected, **query: str) -> httpx.Response:
    return await me.client.get(CALLBACK, params=query, headers={"Authorization": ""})


async def test_a_user_connects_reads_the_status_and_disconnects(
    me: Connected, anilist: AniListStandin
) -> None:
    assert (await me.client.get("/api/anilist/status")).json() == IsPartialDict(connected=False)
    url = httpx.URL(await ask_url(me))
    assert (url.host, url.path) == ("anilist.test", "/oauth/authorize")
    assert dict(url.params) == IsPartialDict(
        client_id="1234", response_type="code", redirect_uri="https://anisync.test/api/anilist/callback"
    )
    answer = await come_back(me, state=url.params["state"], code=CODE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    script = answer.text.partition("<script>")[2].partition("</script>")[0]
    assert "anilist_connected" in script
    assert "script-src 'sha256-" in answer.headers["Content-Security-Policy"]
    assert len(hashlib.sha256(script.encode()).digest()) == 32
    status = (await me.client.get("/api/anilist/status")).json()
    assert status == IsPartialDict(connected=True, username="mio", reconnect=False)
    assert status["expires_at"] > (utc_now() + timedelta(days=360)).isoformat()
    name, sent = anilist.asked[0]
    assert (name, sent["client_secret"], sent["code"]) == ("token", "of an application", CODE)
    for _ in range(2):
        assert (await me.client.delete("/api/anilist/")).json() == {"ok": True}
    assert (await me.client.get("/api/anilist/status")).json() == IsPartialDict(connected=False)


async def test_an_oauth_state_is_valid_once_for_ten_minutes_for_one_user(
    me: Connected, anilist: AniListStandin
) -> None:
    state = state_of(await ask_url(me))
    head, _, tail = state.rpartition(".")
    other = f"{me.user.id + 1}{head.removeprefix(str(me.user.id))}.{tail}"
    bad = {"": "Missing code/state", "x": "Invalid state", f"{head}.{tail[::-1]}": "Invalid state"}
    bad |= {
        f"{head}.é": "Invalid state",
        other: "Invalid state",
        f"{head}.": "Invalid state",
        state[:-1]: "Invalid state",
    }
    for sent, told in bad.items():
        answer = await come_back(me, state=sent, code=CODE)
        assert (answer.status_code, answer.json()["detail"]) == (400, told)
    assert (await come_back(me, state=state)).json()["detail"] == "Missing code/state"
    assert (await come_back(me, error="access_denied", state=state)).status_code == 400
    assert anilist.asked == []
    assert (await come_back(me, state=state, code=CODE)).status_code == 200
    assert (await come_back(me, state=state, code=CODE)).status_code == 400
    old = state_of(await ask_url(me))
    async with me.container.db.transaction() as tx:
        await tx.session.execute(text("update oauth_states set expires_at = now() - interval '1 s'"))
    assert (await come_back(me, state=old, code=CODE)).status_code == 400


async def test_a_state_ends_with_the_session_that_asked_for_it(
    me: Connected, anilist: AniListStandin
) -> None:
    state = state_of(await ask_url(me))
    assert (await me.client.post("/auth/logout")).status_code == 204
    answer = await come_back(me, state=state, code=CODE)
    assert (answer.status_code, answer.json()["detail"]) == (400, "Invalid state")
    assert anilist.asked == []


async def test_a_refused_code_connects_nothing(me: Connected) -> None:
    answer = await come_back(me, state=state_of(await ask_url(me)), code="another code")
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert (await me.client.get("/api/anilist/status")).json() == IsPartialDict(connected=False)


def _unsigned(**claims: Any) -> str:
    parts = ({"alg": "none"}, claims)
    encoded = [base64.urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c2ln"])


# what AniList's sign-in answers, with the days until the token is then taken to expire; None if it is refused
TOKENS: list[tuple[Any, float | None]] = [
    ({}, None),
    ({"access_token": None}, None),
    ({"access_token": 7}, None),
    ({"access_token": ""}, None),
    ({"access_token": "t" * 9000}, None),
    ({"access_token": "\u00e9"}, None),
    ({"access_token": "a b\r\nX-Injected: 1"}, None),
    ([], None),
    ({"access_token": "t", "expires_in": None, "refresh_token": None, "added": {}}, 365),
    ({"access_token": "t", "expires_in": "864000"}, 10),
    ({"access_token": "t", "expires_in": 10**18}, 365),
    ({"access_token": "t", "expires_in": -5}, 365),
    ({"access_token": _unsigned(exp="soon"), "expires_in": 864_000}, 10),
    ({"access_token": _unsigned(exp=10**18), "expires_in": 864_000}, 10),
    ({"access_token": _unsigned(exp=4_000_000_000)}, 3650),
]  # fmt: skip


async def test_odd_token_responses_are_refused_or_understood(me: Connected, anilist: AniListStandin) -> None:
    for sent, days in TOKENS:
        anilist.token = str(sent.get("access_token")) if isinstance(sent, dict) else ""
        answer = httpx.Response(200, json=sent)
        anilist._token = lambda _, answer=answer: answer  # type: ignore[method-assign,misc]
        answer = await come_back(me, state=state_of(await ask_url(me)), code=CODE)
        status = (await me.client.get("/api/anilist/status")).json()
        if days is None:
            assert (answer.status_code, answer.json()["code"]) == (502, "UPSTREAM_ERROR"), sent
            assert status["connected"] is False, sent
            continue
        assert answer.status_code == 200, (sent, answer.text)
        left = datetime.fromisoformat(status["expires_at"]) - utc_now()
        assert abs(left / timedelta(days=1) - days) < 1, sent
        assert (await me.client.delete("/api/anilist")).status_code == 200


async def test_without_oauth_settings_connecting_is_disabled(
    client: httpx.AsyncClient, container: Any
) -> None:
    user = await make_account(container)
    answer = await client.get("/api/anilist/connect-url", headers=user.headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "UPSTREAM_DISABLED")
    for path in ("sync", "import"):
        answer = await client.post(f"/api/anilist/{path}", headers=user.headers)
        assert answer.status_code == 400, "not connected"


async def test_no_token_can_be_read_anywhere(
    me: Connected, anilist: AniListStandin, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    """Not in rows, Redis, the log or exports; and a stolen row is useless."""
    caplog.set_level(logging.DEBUG)
    await me.connect()
    await me.order("/api/anilist/sync")
    export = await me.client.get("/users/me/export")
    assert anilist.token not in export.text
    assert anilist.token not in caplog.text
    async with me.container.db.transaction() as tx:
        tables = (
            await tx.session.execute(text("select tablename from pg_tables where schemaname = 'public'"))
        ).scalars()
        for table in tables.all():
            rows = await tx.session.execute(text(f"select t::text from {table} t"))
            dump = "\n".join(rows.scalars())
            assert anilist.token not in dump
            assert anilist.token.encode().hex() not in dump
    redis = me.container.redis
    async for key in redis.scan_iter():
        kind: Any = await redis.type(key)
        if kind == b"string":
            assert anilist.token.encode() not in (await redis.get(key) or b"")
    async with me.container.db.transaction() as tx:
        links = LinkRepository(tx)
        link = await links.find(me.user.id, "anilist")
        assert link is not None
        with pytest.raises(ValueError, match="not encrypted"):
            Encryption(settings.secret).decrypt(link.token, f"service token:anilist:{me.user.id + 1}")


class ManySignIns:
    """A service whose codes are tokens, so that each account gets one of its own."""

    def authorize_url(self, state: str) -> str:
        return f"https://service.test/?state={state}"

    async def exchange(self, code: str) -> tuple[str, int | None]:
        return code, None

    async def get_account(self, token: str) -> RemoteAccount:
        return RemoteAccount(int(token.rpartition(".")[2]), "mio", None, token)


async def test_of_a_hundred_tokens_none_is_in_a_dump_redis_or_the_log(
    me: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    parts, tokens = me.container, dict[int, str]()
    sign_ins = {"anilist": ManySignIns()}
    accounts = ServiceAccounts(parts.db, parts.jobs, Encryption(parts.settings.secret), sign_ins)
    for number in range(1, 101):
        user = await make_account(parts)
        tokens[user.id] = f"{secrets.token_urlsafe(24)}.{number}"
        url = await accounts.connect_url(user.id, "anilist", session_id=None)
        link = await accounts.complete("anilist", state_of(url), tokens[user.id])
        await accounts.mark_token_refused(link)
    await accounts.maintain_tokens()
    texts = [caplog.text]
    async with parts.db.transaction() as tx:
        names = await tx.session.execute(text("select tablename from pg_tables where schemaname = 'public'"))
        for name in names.scalars().all():
            texts += (await tx.session.execute(text(f'select t::text from "{name}" t'))).scalars()
        stored = await tx.session.execute(text("select count(distinct token) from service_links"))
    texts += [f"{key!r} {await parts.redis.dump(key)!r}" async for key in parts.redis.scan_iter()]
    everything = "\n".join(texts)
    assert stored.scalar_one() == 100
    assert "sync.token_refused" in everything, "the log is among it"
    for token in tokens.values():
        secret = token.rpartition(".")[0]
        shapes = (secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode())
        assert [shape for shape in shapes if shape in everything] == []


async def test_tokens_survive_a_new_secret_and_are_encrypted_again(
    settings: Settings, database: Database, anilist: AniListStandin
) -> None:
    async with connected(settings, database, anilist) as me:
        await me.connect()
        user_id = me.user.id
    new = "another secret of tests, longer than 32 bytes"
    rotated = settings.model_copy(
        update={"secret_key": SecretStr(new), "secret_key_previous": SecretStr(settings.secret)}
    )
    async with connected(rotated, database, anilist) as me:
        _, account = await me.container.sync.accounts.require_account(user_id, "anilist")
        assert account.token == anilist.token
        await me.container.sync.accounts.maintain_tokens()
    async with connected(settings.model_copy(update={"secret_key": SecretStr(new)}), database, anilist) as me:
        _, account = await me.container.sync.accounts.require_account(user_id, "anilist")
        assert account.token == anilist.token


async def test_a_token_of_a_forgotten_secret_only_asks_its_owner_to_reconnect(
    settings: Settings, database: Database, anilist: AniListStandin
) -> None:
    async with connected(settings, database, anilist) as me:
        await me.connect()
        old_owner = me.user.id
    new = SecretStr("another secret of tests, longer than 32 bytes")
    async with connected(settings.model_copy(update={"secret_key": new}), database, anilist) as me:
        await me.connect()
        async with me.container.db.transaction() as tx:
            await tx.session.execute(text("update service_links set expires_at = now() + interval '20 days'"))
        sync = me.container.sync
        for _ in range(2):
            with pytest.raises(TokenRefused):
                await sync.schedule.order(old_owner, "anilist")
        shown = await sync.lists.describe(old_owner, "anilist")
        assert shown is not None
        assert shown.reconnect
        async with me.container.db.transaction() as tx:
            await tx.session.execute(text("update service_links set refused_at = null"))
        await sync.accounts.maintain_tokens()
        shown = await sync.lists.describe(old_owner, "anilist")
        assert shown is not None
        assert shown.reconnect, "found without waiting for a sync"
        async with me.container.db.transaction() as tx:
            reminded = await tx.session.execute(
                text("select user_id from service_links where reminded_days = 30")
            )
        assert me.user.id in reminded.scalars().all()
        assert (await me.client.post("/api/anilist/sync")).status_code == 202


async def test_users_are_reminded_three_times_to_reconnect(me: Connected) -> None:
    await me.connect()
    told = []
    for days in (40, 29, 28, 6.5, 0.9, 0.5):
        async with me.container.db.transaction() as tx:
            await tx.session.execute(
                text("update service_links set expires_at = now() + make_interval(secs => :seconds)"),
                {"seconds": days * 86_400},
            )
        await me.container.sync.accounts.maintain_tokens()
        async with me.container.db.transaction() as tx:
            found = await tx.session.execute(
                text("select count(*) from jobs where arguments ->> 'topic' = 'connection_expires'")
            )
            told.append(found.scalar_one())
    assert told == [0, 1, 1, 2, 3, 3]


async def test_the_oauth_client_can_be_looked_up_but_not_its_secret(
    me: Connected, client: httpx.AsyncClient, user: SignedIn
) -> None:
    answer = await me.client.get("/api/anilist/debug-config")
    assert answer.json() == {
        "client_id": "1234",
        "client_secret_set": True,
        "redirect_uri": "https://anisync.test/api/anilist/callback",
    }
    unset = await client.get("/api/anilist/debug-config", headers=user.headers)
    assert unset.json() == {"client_id": None, "client_secret_set": False, "redirect_uri": None}
    assert (await client.get("/api/anilist/debug-config")).status_code == 401
