"""Accounts in the format of the tracker's clients."""

import httpx
import pytest
from dirty_equals import IsInt, IsPositiveInt, IsStr

from tests.fixtures.accounts import PASSWORD, SignedIn


async def test_the_form_of_oauth2(client: httpx.AsyncClient, user: SignedIn) -> None:
    form = {"grant_type": "password", "username": user.username, "password": PASSWORD, "scope": ""}
    answer = await client.post("/api/auth/token", data={**form, "client_id": "x", "client_secret": "y"})
    assert answer.status_code == 200
    swagger = {"Authorization": "Basic Og==", "X-Requested-With": "XMLHttpRequest"}
    assert (await client.post("/api/auth/token", data=form, headers=swagger)).status_code == 200
    assert answer.json() == {
        "access_token": IsStr,
        "refresh_token": IsStr,
        "token_type": "bearer",
        "expires_in": IsInt(ge=890, le=900),
    }
    assert answer.headers["Cache-Control"] == "no-store"
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    me = await client.get("/api/auth/me", headers=headers)
    assert me.json() == {"username": user.username, "full_name": None, "disabled": False}


async def test_wrong_credentials_are_400_as_clients_expect(client: httpx.AsyncClient, user: SignedIn) -> None:
    for name in (user.username, "nobody", "\x00", "x" * 5000, "' or 1=1"):
        answer = await client.post("/api/auth/token", data={"username": name, "password": "not it"})
        assert answer.status_code == 400
        body = answer.json()
        assert body["detail"] == body["message"] == "Incorrect username or password"


@pytest.mark.parametrize(
    "form", [{}, {"username": "x"}, {"username": "x", "password": "y", "grant_type": "z"}]
)
async def test_incomplete_forms_are_rejected(client: httpx.AsyncClient, form: dict[str, str]) -> None:
    answer = await client.post("/api/auth/token", data=form)
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")


async def test_registering(client: httpx.AsyncClient) -> None:
    body = {"username": "Mio", "password": PASSWORD, "full_name": "Mio Akiyama"}
    answer = await client.post("/api/auth/register", json=body)
    assert (answer.status_code, answer.json()) == (200, {"id": IsPositiveInt, "username": "Mio"})
    nameless = await client.post("/api/auth/register", json={**body, "username": "azu", "full_name": "  "})
    assert nameless.status_code == 200
    form = {"username": "azu", "password": PASSWORD}
    tokens = (await client.post("/api/auth/token", data=form)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await client.get("/api/auth/me", headers=headers)).json()["full_name"] is None
    taken = await client.post("/api/auth/register", json={**body, "username": "mIO"})
    assert taken.status_code == 400
    assert taken.json()["detail"] == "Username already exists"
    weak = await client.post(
        "/api/auth/register", json={**body, "username": "nodoka", "password": "password"}
    )
    assert weak.json()["detail"] == "password: This password is too easy to guess."
    for bad in ({**body, "username": "me"}, {**body, "password": "short"}, {**body, "role": "admin"}, {}):
        assert (await client.post("/api/auth/register", json=bad)).status_code == 422


async def test_every_response_has_rate_limit_headers(client: httpx.AsyncClient, user: SignedIn) -> None:
    answers = [
        await client.post("/api/auth/token", data={"username": "x", "password": "y"}),
        await client.post("/auth/login", json={"login": user.username, "password": PASSWORD}),
        await client.post("/auth/register", json={"email": "a@example.org", "password": PASSWORD}),
        await client.post("/auth/refresh", json={"refresh_token": user.refresh_token}),
        await client.post("/auth/refresh", json={}),
        await client.get("/auth/sessions"),
        await client.get("/api/auth/me", headers=user.headers),
        await client.post("/auth/password/forgot", json={"email": "a@example.org"}),
    ]
    for answer in answers:
        for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"):
            assert answer.headers[name].isdigit(), answer.request.url
    assert answers[0].headers["RateLimit-Limit"] == "5"
    assert answers[0].headers["RateLimit-Remaining"] == "4"
    assert answers[2].headers["RateLimit-Limit"] == "60"


async def test_a_rejection_has_retry_after(client: httpx.AsyncClient, user: SignedIn) -> None:
    for _ in range(5):
        await client.post("/api/auth/token", data={"username": user.username, "password": "wrong one"})
    for answer in (
        await client.post("/api/auth/token", data={"username": user.username, "password": PASSWORD}),
        await client.post("/auth/login", json={"login": user.username, "password": PASSWORD}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMITED")
        assert 1 <= int(answer.headers["Retry-After"]) <= 61
        assert answer.headers["RateLimit-Remaining"] == "0"
