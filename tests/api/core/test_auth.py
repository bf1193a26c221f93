"""Registration, sign-in and sign-out over HTTP."""

import httpx
import pytest
from dirty_equals import IsInt, IsPositiveInt, IsStr

from app.config import Settings
from app.container import build
from app.main import create_app
from app.utils.db.database import Database
from tests.fixtures.accounts import PASSWORD, SignedIn, make_account

TOKENS = {
    "access_token": IsStr,
    "refresh_token": IsStr,
    "token_type": "bearer",
    "expires_in": IsInt(ge=890, le=900),
}


async def test_registering_signs_in(client: httpx.AsyncClient) -> None:
    answer = await client.post("/auth/register", json={"email": "Mio.A@Example.org", "password": PASSWORD})
    assert answer.status_code == 201
    assert answer.json() == TOKENS
    me = await client.get("/users/me", headers=_bearer(answer))
    assert me.json() == {
        "id": IsPositiveInt,
        "username": "Mio.A",
        "email": "Mio.A@example.org",
        "full_name": None,
        "avatar": None,
        "role": "user",
        "permissions": ["read:content", "read:profile", "write:content", "write:profile"],
        "timezone": "UTC",
        "title_language": "romaji",
        "adult": False,
        "list_visibility": "private",
        "is_active": True,
        "created_at": IsStr(regex=r"\d{4}-\d\d-\d\dT.*Z"),
    }


async def test_a_taken_name_or_email_is_a_conflict(client: httpx.AsyncClient) -> None:
    first = {"email": "mio@example.org", "username": "Mio", "password": PASSWORD}
    assert (await client.post("/auth/register", json=first)).status_code == 201
    for second in (
        {"email": "MIO@example.ORG", "password": PASSWORD},
        {"email": "other@example.org", "username": "mIO", "password": PASSWORD},
    ):
        answer = await client.post("/auth/register", json=second)
        assert answer.status_code == 409
        assert answer.json()["code"] == "CONFLICT_ERROR"


async def test_a_derived_name_that_is_taken_gets_a_suffix(client: httpx.AsyncClient) -> None:
    names = []
    for host in ("a.example.org", "b.example.org"):
        answer = await client.post("/auth/register", json={"email": f"mio@{host}", "password": PASSWORD})
        names.append((await client.get("/users/me", headers=_bearer(answer))).json()["username"])
    assert names == ["mio", IsStr(regex=r"mio-\d{6}")]


@pytest.mark.parametrize("field", ["email", "username", "login"])
@pytest.mark.parametrize("by", ["username", "email"])
async def test_signing_in_by_any_field(
    client: httpx.AsyncClient, user: SignedIn, field: str, by: str
) -> None:
    identifier = user.username if by == "username" else f"{user.username}@example.org"
    answer = await client.post("/auth/login", json={field: identifier.upper(), "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json() == TOKENS


@pytest.mark.parametrize(
    "typed",
    [
        "mio.a\u0301@xn--bcher-kva.example.org",
        "MIO.\u00e1@B\u00dcCHER.example.org",
        " ｍio.á@bücher.example.org ",
    ],
)
async def test_signing_in_by_any_spelling_of_the_address(client: httpx.AsyncClient, typed: str) -> None:
    body = {"email": "mio.\u00e1@b\u00fccher.example.org", "password": PASSWORD}
    assert (await client.post("/auth/register", json=body)).status_code == 201
    for field in ("email", "login"):
        answer = await client.post("/auth/login", json={field: typed, "password": PASSWORD})
        assert answer.status_code == 200
    form = await client.post("/api/auth/token", data={"username": typed, "password": PASSWORD})
    assert form.status_code == 200


async def test_an_impossible_password_is_wrong(client: httpx.AsyncClient, user: SignedIn) -> None:
    for name in (user.username, "nobody"):
        grows = {"login": name, "password": "\ufdfa" * 1024}  # 18 times as long when normalised
        assert (await client.post("/auth/login", json=grows)).status_code == 401
        form = {"username": name, "password": "x" * 400_000}
        assert (await client.post("/api/auth/token", data=form)).status_code == 400


async def test_wrong_name_and_wrong_password_are_indistinguishable(
    client: httpx.AsyncClient, user: SignedIn
) -> None:
    answers = [
        await client.post("/auth/login", json={"login": login, "password": password})
        for login, password in ((user.username, "not the password"), ("nobody at all", PASSWORD))
    ]
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert bodies[0] == bodies[1]
    assert all(answer.headers["WWW-Authenticate"] == "Bearer" for answer in answers)


async def test_refreshing_and_signing_out(client: httpx.AsyncClient, user: SignedIn) -> None:
    answer = await client.post("/auth/refresh", json={"refresh_token": user.refresh_token})
    assert answer.json() == TOKENS
    again = await client.post("/auth/refresh", json={"refresh_token": user.refresh_token})
    assert again.json()["refresh_token"] == answer.json()["refresh_token"] != user.refresh_token
    assert (await client.get("/users/me", headers=_bearer(answer))).status_code == 200
    for _ in range(2):
        assert (await client.post("/auth/logout", headers=_bearer(answer))).status_code == 204
    for headers in (_bearer(answer), user.headers, _bearer(again)):
        assert (await client.get("/users/me", headers=headers)).status_code == 401
    for token in (answer.json()["refresh_token"], user.refresh_token):
        assert (await client.post("/auth/refresh", json={"refresh_token": token})).status_code == 401


def _bearer(answer: httpx.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def test_with_registration_closed_only_operators_create_accounts(
    settings: Settings, database: Database
) -> None:
    closed = settings.model_copy(update={"registration": "closed"})
    async with build(closed, db=database) as container:
        operator = await make_account(container, role="admin")
        transport = httpx.ASGITransport(app=create_app(closed, container=container))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            for path, who in (
                ("/auth/register", {"email": "mio@example.org", "password": PASSWORD}),
                ("/api/auth/register", {"username": "mio", "password": PASSWORD}),
            ):
                refused = await client.post(path, json=who)
                assert (refused.status_code, refused.json()["code"]) == (403, "REGISTRATION_CLOSED")
                document = (await client.get("/openapi.json")).json()
                assert "REGISTRATION_CLOSED" in str(document["paths"][path]["post"]["responses"]["403"])
            new = {"username": "mio", "password": PASSWORD}
            made = await client.post("/users", json=new, headers=operator.headers)
            assert made.status_code == 201, made.text
            assert (await client.post("/auth/login", json=new)).status_code == 200
