"""Sessions, API tokens and passwords over HTTP."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
import time_machine
from dirty_equals import IsPositiveInt, IsStr, IsUUID

from app.container import Container
from app.repositories.accounts import AccountRepository
from app.utils.clock import utc_now
from app.utils.crypto.jwt import AccessTokens, BadToken
from tests.fixtures.accounts import PASSWORD, SignedIn
from tests.services.accounts.test_sessions import mailed_token

INSTANT = IsStr(regex=r"\d{4}-\d\d-\d\dT[\d:.]+Z")
NEW = "another horse 8"


async def login(client: httpx.AsyncClient, user: SignedIn, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/auth/login", json={"login": user.username, "password": password})


async def test_listing_and_ending_sessions(client: httpx.AsyncClient, user: SignedIn) -> None:
    other = await client.post(
        "/auth/login",
        json={"login": user.username, "password": PASSWORD},
        headers={"User-Agent": "Phone/1.0 (test)"},
    )
    listed = (await client.get("/auth/sessions", headers=user.headers)).json()
    first = {"id": IsUUID, "created_at": INSTANT, "last_used_at": INSTANT, "expires_at": INSTANT}
    assert listed == [
        {**first, "device": IsStr(regex="Phone/1.0.*"), "address": "127.0.0.1", "current": False},
        {**first, "device": "tests", "address": "192.0.2.1", "current": True},
    ]
    ended = await client.delete(f"/auth/sessions/{listed[0]['id']}", headers=user.headers)
    assert (ended.status_code, ended.content) == (204, b"")
    headers = {"Authorization": f"Bearer {other.json()['access_token']}"}
    assert (await client.get("/users/me", headers=headers)).status_code == 401
    again = await client.delete(f"/auth/sessions/{listed[0]['id']}", headers=user.headers)
    assert again.status_code == 404
    assert (await client.delete(f"/auth/sessions/{uuid4()}", headers=user.headers)).status_code == 404
    assert (await client.delete("/auth/sessions/7", headers=user.headers)).status_code == 422


async def test_sessions_and_tokens_are_lists_like_all_others(
    client: httpx.AsyncClient, container: Container, user: SignedIn
) -> None:
    principal = await container.accounts.authentication.authenticate(user.access_token)
    for number in range(4):
        await container.accounts.tokens.mint(principal, name=f"t{number}", scopes=["read:content"], days=1)
        await login(client, user)
    for path in ("/auth/sessions", "/auth/tokens"):
        whole = await client.get(path, headers=user.headers)
        count = len(whole.json())
        assert whole.headers["X-Total-Count"] == str(count)
        pages = [
            await client.get(path, params={"limit": 2, "page": page}, headers=user.headers)
            for page in (1, 2, 3, 4)
        ]
        assert [one["id"] for page in pages for one in page.json()] == [one["id"] for one in whole.json()]
        assert 'rel="next"' in pages[0].headers["Link"]
        assert (await client.get(path, params={"limit": 101}, headers=user.headers)).status_code == 422


async def test_signing_out_everywhere(client: httpx.AsyncClient, user: SignedIn) -> None:
    other = await login(client, user)
    assert (await client.post("/auth/logout-all", headers=user.headers)).status_code == 204
    for token in (user.access_token, other.json()["access_token"]):
        answer = await client.get("/users/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401


@pytest.mark.parametrize("body", [None, {}, {"refresh_token": None}])
async def test_signing_out_needs_one_of_the_two(client: httpx.AsyncClient, body: object) -> None:
    assert (await client.post("/auth/logout", json=body)).status_code == 401


async def test_signing_out_by_refresh_token_only_and_with_an_unknown_token(
    client: httpx.AsyncClient, user: SignedIn
) -> None:
    for token in (user.refresh_token, user.refresh_token, "unknown"):
        answer = await client.post("/auth/logout", json={"refresh_token": token})
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.get("/users/me", headers=user.headers)).status_code == 401


async def test_the_blacklist_keeps_a_token_as_long_as_it_would_live(
    client: httpx.AsyncClient, container: Container, user: SignedIn
) -> None:
    await client.post("/auth/logout", headers=user.headers)
    [key] = await container.redis.keys("blacklist:*")
    assert 890 <= await container.redis.ttl(key) <= 900


async def test_a_signed_out_token_is_rejected_even_if_the_blacklist_lost_it(
    client: httpx.AsyncClient, container: Container, user: SignedIn
) -> None:
    principal = await container.accounts.authentication.authenticate(user.access_token)
    assert principal.user_id == user.id
    await client.post("/auth/logout", headers=user.headers)
    for key in await container.redis.keys("blacklist:*"):
        await container.redis.delete(key)
    assert (await client.get("/users/me", headers=user.headers)).status_code == 401


async def test_a_request_sees_a_changed_role_and_name_at_once(
    client: httpx.AsyncClient, container: Container, user: SignedIn
) -> None:
    assert (await client.get("/users/me", headers=user.headers)).json()["role"] == "user"
    async with container.db.transaction() as tx:
        await AccountRepository(tx).update(user.id, {"role": "admin", "full_name": "Mio"})
    shown = (await client.get("/users/me", headers=user.headers)).json()
    assert (shown["role"], shown["full_name"]) == ("admin", "Mio")
    assert "admin:*" in shown["permissions"]
    async with container.db.transaction() as tx:
        await AccountRepository(tx).update(user.id, {"is_active": False})
    assert (await client.get("/users/me", headers=user.headers)).status_code == 401


async def test_a_token_that_was_verified_before_still_expires(container: Container, user: SignedIn) -> None:
    now = utc_now()
    clock = [now]
    tokens = AccessTokens("a secret of tests, longer than 32 bytes", clock=lambda: clock[0])
    token, seconds = tokens.issue(user.id, uuid4(), not_after=now + timedelta(days=1))
    assert tokens.read(token) == tokens.read(token)
    clock[0] = now + timedelta(seconds=seconds)
    for _ in range(2):
        with pytest.raises(BadToken):
            tokens.read(token)


async def test_an_api_token_is_shown_once(client: httpx.AsyncClient, user: SignedIn) -> None:
    body = {"name": "my  program\n", "scopes": ["read:profile", "read:content"], "expires_in_days": 30}
    minted = await client.post("/auth/tokens", json=body, headers=user.headers)
    assert minted.status_code == 201
    shown = {
        "id": IsPositiveInt,
        "name": "my program",
        "scopes": ["read:content", "read:profile"],
        "hint": minted.json()["token"][:10],
        "created_at": INSTANT,
        "last_used_at": None,
        "expires_at": INSTANT,
    }
    assert minted.json() == {**shown, "token": IsStr(regex="ant_.{43}")}
    headers = {"Authorization": f"Bearer {minted.json()['token']}"}
    me = await client.get("/users/me", headers=headers)
    assert (me.status_code, me.json()["id"]) == (200, user.id)
    listed = (await client.get("/auth/tokens", headers=user.headers)).json()
    assert listed == [{**shown, "last_used_at": INSTANT}]
    for _ in range(2):
        gone = await client.delete(f"/auth/tokens/{listed[0]['id']}", headers=user.headers)
    assert gone.status_code == 404
    assert (await client.get("/users/me", headers=headers)).status_code == 401


async def test_an_api_token_ends(client: httpx.AsyncClient, user: SignedIn) -> None:
    body = {"name": "short", "scopes": ["read:profile"], "expires_in_days": 1}
    minted = await client.post("/auth/tokens", json=body, headers=user.headers)
    headers = {"Authorization": f"Bearer {minted.json()['token']}"}
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=23, minutes=59)):
        assert (await client.get("/users/me", headers=headers)).status_code == 200
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=24)):
        assert (await client.get("/users/me", headers=headers)).status_code == 401


async def test_an_api_token_cannot_manage_credentials(client: httpx.AsyncClient, user: SignedIn) -> None:
    body = {"name": "all", "scopes": ["read:content", "write:content", "read:profile", "write:profile"]}
    minted = await client.post("/auth/tokens", json=body, headers=user.headers)
    headers = {"Authorization": f"Bearer {minted.json()['token']}"}
    passwords = {"current_password": PASSWORD, "new_password": NEW}
    for method, path, sent in (
        ("POST", "/auth/tokens", body),
        ("GET", "/auth/tokens", None),
        ("GET", "/auth/sessions", None),
        ("POST", "/auth/logout-all", None),
        ("POST", "/auth/password", passwords),
        ("DELETE", "/users/me", {"password": PASSWORD}),
    ):
        answer = await client.request(method, path, json=sent, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_DENIED"), path


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": " \n "},
        {"name": "x" * 101},
        {"scopes": []},
        {"scopes": ["read:everything"]},
        {"scopes": ["admin:*"]},
        {"scopes": ["write:catalog", "read:content"]},
        {"expires_in_days": 0},
        {"expires_in_days": 367},
        {"expires_in_days": "7"},
        {"user_id": 1},
    ],
)
async def test_invalid_api_tokens_are_not_created(
    client: httpx.AsyncClient, user: SignedIn, change: dict[str, object]
) -> None:
    body = {"name": "x", "scopes": ["read:content"], "expires_in_days": 7, **change}
    assert (await client.post("/auth/tokens", json=body, headers=user.headers)).status_code == 422


async def test_fifty_tokens_is_the_limit_also_concurrently(client: httpx.AsyncClient, user: SignedIn) -> None:
    body = {"name": "x", "scopes": ["read:content"]}
    statuses = await asyncio.gather(
        *(client.post("/auth/tokens", json=body, headers=user.headers) for _ in range(55))
    )
    assert Counter(answer.status_code for answer in statuses) == {201: 50, 409: 5}


async def test_changing_the_password(client: httpx.AsyncClient, user: SignedIn) -> None:
    other = await login(client, user)
    wrong = {"current_password": "not the password", "new_password": NEW}
    refused = await client.post("/auth/password", json=wrong, headers=user.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_DENIED")
    right = {"current_password": PASSWORD, "new_password": NEW}
    changed = await client.post("/auth/password", json=right, headers=user.headers)
    assert (changed.status_code, changed.content) == (204, b"")
    assert (await client.get("/users/me", headers=user.headers)).status_code == 200
    headers = {"Authorization": f"Bearer {other.json()['access_token']}"}
    assert (await client.get("/users/me", headers=headers)).status_code == 401
    assert (await login(client, user)).status_code == 401
    assert (await login(client, user, NEW)).status_code == 200


async def test_a_stolen_token_cannot_guess_the_password(client: httpx.AsyncClient, user: SignedIn) -> None:
    wrong = {"current_password": "not the password", "new_password": NEW}
    statuses = [
        (await client.post("/auth/password", json=wrong, headers=user.headers)).status_code for _ in range(4)
    ]
    erase = {"password": "not it either"}
    statuses += [
        (await client.request("DELETE", "/users/me", json=erase, headers=user.headers)).status_code
        for _ in range(3)
    ]
    assert statuses == [403] * 5 + [429] * 2


@pytest.mark.parametrize("new", ["short", "x" * 129, "12345678", "password"])
async def test_a_bad_new_password_changes_nothing(
    client: httpx.AsyncClient, user: SignedIn, new: str
) -> None:
    body = {"current_password": PASSWORD, "new_password": new}
    answer = await client.post("/auth/password", json=body, headers=user.headers)
    assert answer.status_code == 422
    assert "new_password" in answer.json()["details"]["fields"]
    assert (await login(client, user)).status_code == 200


async def test_password_reset_requests_reveal_no_accounts(
    client: httpx.AsyncClient, container: Container, user: SignedIn
) -> None:
    answers = [
        await client.post("/auth/password/forgot", json={"email": email}, headers={"X-Request-ID": "same"})
        for email in (f"{user.username}@EXAMPLE.org", "nobody@example.org")
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].content == answers[1].content
    jobs = (await container.jobs.list(kind="accounts.mail")).jobs
    assert sorted(job.arguments["user_id"] for job in jobs) == [0, user.id]


async def test_password_mails_per_address_are_limited(
    client: httpx.AsyncClient, container: Container, user: SignedIn
) -> None:
    for _ in range(7):
        body = {"email": f"{user.username}@example.org"}
        assert (await client.post("/auth/password/forgot", json=body)).status_code == 202
    jobs = (await container.jobs.list(kind="accounts.mail")).jobs
    assert Counter(job.arguments["user_id"] for job in jobs) == {user.id: 5, 0: 2}


async def test_a_reset_token_works_once_of_twenty_at_once(
    client: httpx.AsyncClient, container: Container, user: SignedIn
) -> None:
    token = await mailed_token(container, user.id)
    answers = await asyncio.gather(
        *(
            client.post("/auth/password/reset", json={"token": token, "new_password": f"{NEW} {number}"})
            for number in range(20)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {204: 1, 422: 19}
    assert (await client.get("/users/me", headers=user.headers)).status_code == 401
    assert (await login(client, user)).status_code == 401


async def test_reset_tokens_that_do_nothing(
    client: httpx.AsyncClient, container: Container, user: SignedIn
) -> None:
    async def try_to_reset(token: str) -> int:
        body = {"token": token, "new_password": NEW}
        return (await client.post("/auth/password/reset", json=body)).status_code

    first = await mailed_token(container, user.id)
    second = await mailed_token(container, user.id)
    assert await try_to_reset(first) == 422, "a newer one was sent"
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=31)):
        assert await try_to_reset(second) == 422, "too late"
    third = await mailed_token(container, user.id)
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert (await client.post("/auth/password", json=body, headers=user.headers)).status_code == 204
    assert await try_to_reset(third) == 422, "the password is another one by now"
    assert await try_to_reset(user.refresh_token) == 422
    assert (await login(client, user, NEW)).status_code == 200
