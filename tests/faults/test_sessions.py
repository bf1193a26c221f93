"""Sessions over two API processes: races, lost responses, a Redis outage, and log contents."""

import asyncio
import json
import select
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import cycle
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.utils.db.database import Database
from app.utils.db.migrations import upgrade
from tests.faults.apis import Api, running_apis
from tests.faults.stack import Stack, running_stack
from tests.fixtures.accounts import PASSWORD

pytestmark = [pytest.mark.fault, pytest.mark.xdist_group("session faults")]


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    yield from running_stack(tmp_path, database_url)


@pytest.fixture
async def apis(stack: Stack) -> AsyncIterator[list[Api]]:
    async with running_apis(stack, 2) as apis:
        yield apis


async def register(api: Api, name: str = "mio") -> dict[str, str]:
    body = {"email": f"{name}@example.org", "username": name, "password": PASSWORD}
    answer = await api.http.post("/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


async def refresh(api: Api, token: str) -> httpx.Response:
    return await api.http.post("/auth/refresh", json={"refresh_token": token})


async def status_of_me(api: Api, access_token: str) -> int:
    headers = {"Authorization": f"Bearer {access_token}"}
    return (await api.http.get("/users/me", headers=headers)).status_code


async def _race(apis: list[Api], *, rounds: int) -> None:
    """Twenty concurrent requests with one token, half of them on each process, in rounds."""
    first = await register(apis[0])
    token, latest = first["refresh_token"], first["access_token"]
    statuses: Counter[int] = Counter()
    for number in range(rounds):
        answers = await asyncio.gather(*(refresh(apis[turn % 2], token) for turn in range(20)))
        statuses.update(answer.status_code for answer in answers)
        successors = {answer.json().get("refresh_token") for answer in answers}
        assert len(successors) == 1, f"round {number}: {len(successors)} successors"
        token, latest = successors.pop(), answers[-1].json()["access_token"]
    assert statuses == {200: 20 * rounds}
    assert await status_of_me(apis[0], latest) == 200
    assert await status_of_me(apis[1], first["access_token"]) == 200


async def test_twenty_refreshes_at_once_share_one_successor(apis: list[Api], database: Database) -> None:
    await _race(apis, rounds=20)
    assert await database.scalar("select count(*) from sessions") == 1


@pytest.mark.soak
async def test_two_hundred_rounds(apis: list[Api], database: Database) -> None:
    await _race(apis, rounds=200)
    assert await database.scalar("select count(*) from sessions") == 1


async def test_a_lost_response_can_be_requested_again(apis: list[Api]) -> None:
    token = (await register(apis[0]))["refresh_token"]
    for number in range(40):
        await asyncio.to_thread(_ask_and_leave, apis[number % 2].port, token)
        answer = await refresh(apis[(number + 1) % 2], token)
        assert answer.status_code == 200, number
        token = answer.json()["refresh_token"]


def _ask_and_leave(port: int, token: str) -> None:
    body = json.dumps({"refresh_token": token}).encode()
    head = (
        f"POST /auth/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall(head.encode() + body)
        select.select([link], [], [], 10)  # it was answered, and the client is gone


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_without_redis_everything_about_sessions_is_right(
    stack: Stack, apis: list[Api], how: str
) -> None:
    here, there = apis
    kept, ended = await register(here, "kept"), await register(here, "ended")
    signed_out = await register(here, "early")
    early = {"Authorization": f"Bearer {signed_out['access_token']}"}
    assert (await here.http.post("/auth/logout", headers=early)).status_code == 204
    if how == "killed":
        stack.kill_valkey()
    else:
        stack.freeze_valkey()
    assert await status_of_me(there, kept["access_token"]) == 200
    assert await status_of_me(there, signed_out["access_token"]) == 401, "the blacklist is gone"
    login = await there.http.post("/auth/login", json={"login": "kept", "password": PASSWORD})
    assert login.status_code == 200
    again = await refresh(here, kept["refresh_token"])
    assert again.status_code == 200
    headers = {"Authorization": f"Bearer {ended['access_token']}"}
    assert (await here.http.post("/auth/logout", headers=headers)).status_code == 204
    assert await status_of_me(there, ended["access_token"]) == 401
    assert (await refresh(there, ended["refresh_token"])).status_code == 401
    everywhere = {"Authorization": f"Bearer {again.json()['access_token']}"}
    assert (await there.http.post("/auth/logout-all", headers=everywhere)).status_code == 204
    dead = [ended, signed_out, kept, again.json(), login.json()]
    for tokens, api in zip(dead, cycle(apis), strict=False):
        assert await status_of_me(api, tokens["access_token"]) == 401
    if how == "killed":
        stack.start_valkey()  # empty: it has lost every blacklisted token
    else:
        stack.thaw_valkey()
    for tokens, api in zip(dead, cycle(apis), strict=False):
        assert await status_of_me(api, tokens["access_token"]) == 401
        assert (await refresh(api, tokens["refresh_token"])).status_code == 401


async def test_failures_count_over_both_processes_without_redis(stack: Stack, apis: list[Api]) -> None:
    await register(apis[0])
    stack.kill_valkey()
    wrong = {"login": "mio", "password": "not the password"}
    statuses = Counter(
        answer.status_code
        for answer in await asyncio.gather(
            *(apis[turn % 2].http.post("/auth/login", json=wrong) for turn in range(24))
        )
    )
    assert statuses == {401: 5, 429: 19}


async def test_ending_a_session_reaches_the_other_process_at_once(apis: list[Api]) -> None:
    here, there = apis
    for number in range(20):
        tokens = await register(here, f"mio{number}")
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert await status_of_me(there, tokens["access_token"]) == 200
        assert (await here.http.post("/auth/logout", headers=headers)).status_code == 204
        assert await status_of_me(there, tokens["access_token"]) == 401


async def test_nothing_secret_is_in_the_logs_or_readable_at_rest(
    stack: Stack, database: Database, database_url: str
) -> None:
    secrets: list[str] = [PASSWORD, "a wrong guess", "a new password 9"]
    async with running_apis(stack, 1, LOG_LEVEL="DEBUG") as [api]:
        tokens = await register(api)
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        odd = {**headers, "User-Agent": "x\\n${jndi:ldap://x} \x7f", "X-Request-ID": "a b\\n"}
        await api.http.get("/users/me", headers=odd)
        await api.http.post("/auth/login", json={"login": "mio", "password": "a wrong guess"})
        await api.http.post("/auth/login", json={"login": "a wrong guess", "password": "a wrong guess"})
        await api.http.get("/users/me", headers={"Authorization": "Bearer a wrong guess"})
        pair = (await refresh(api, tokens["refresh_token"])).json()
        minted = await api.http.post(
            "/auth/tokens", json={"name": "x", "scopes": ["read:content"]}, headers=headers
        )
        program = minted.json()["token"]
        await api.http.get("/users/me", headers={"Authorization": f"Bearer {program}"})
        change = {"current_password": PASSWORD, "new_password": "a new password 9"}
        assert (await api.http.post("/auth/password", json=change, headers=headers)).status_code == 204
        secrets += [*_raw(tokens), *_raw(pair), program]
        events = api.program.events()
        log = api.program.log_file.read_text()
    assert {
        "auth.registered",
        "auth.sign_in.failed",
        "auth.api_token.minted",
        "auth.password.changed",
    } <= set(events)
    assert all("request_id" in line for line in api.program.lines() if "auth." in str(line.get("event")))
    assert [secret for secret in secrets if secret in log] == []
    rows = await _everything(database)
    assert [secret for secret in secrets if secret in rows] == []
    stored = stack.valkey.socket
    assert [secret for secret in secrets if secret in await asyncio.to_thread(_dump, stored)] == []
    assert (await upgrade(database_url)).at_head


def _raw(tokens: dict[str, str]) -> list[str]:
    return [tokens["access_token"], tokens["refresh_token"]]


async def _everything(database: Database) -> str:
    names = await database.scalar(
        "select string_agg(tablename, ',') from pg_tables where schemaname = 'public'"
    )
    texts = [
        str(await database.scalar(f'select string_agg(t::text, chr(10)) from "{name}" t'))
        for name in names.split(",")
    ]
    return "\n".join(texts)


def _dump(at: Path) -> str:
    """Every key of the Valkey with its content."""
    with Redis(unix_socket_path=str(at)) as client:
        return "\n".join(f"{key!r} {client.dump(key)!r}" for key in client.scan_iter("*"))
