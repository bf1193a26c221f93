"""With PostgreSQL, Redis or both away: what is decided without them, and what is not."""

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import event

from app.config import Settings
from app.container import build
from app.main import create_app
from app.utils.database import Database
from tests.fixtures.accounts import PASSWORD, SignedIn

NOWHERE = "postgresql+asyncpg://x@127.0.0.1:9/x"


@pytest.fixture
async def without_database(settings: Settings, user: SignedIn) -> AsyncIterator[httpx.AsyncClient]:
    """The application whose database is gone, with the tokens that it gave out before."""
    gone = settings.model_copy(update={"database_url": NOWHERE})
    async for client in _client(gone):
        yield client


@pytest.fixture
async def without_both(settings: Settings, user: SignedIn) -> AsyncIterator[httpx.AsyncClient]:
    gone = {"database_url": NOWHERE, "redis_url": "unix:///nowhere/at/all.sock"}
    async for client in _client(settings.model_copy(update=gone)):
        yield client


async def _client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    database = Database.connect(NOWHERE)
    async with build(settings, db=database) as container:
        transport = httpx.ASGITransport(app=create_app(settings, container=container))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client
    await database.close()


async def _is_unavailable(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert answer.headers["Retry-After"]


async def test_without_both_nothing_is_decided(without_both: httpx.AsyncClient, user: SignedIn) -> None:
    await _is_unavailable(await without_both.get("/users/me", headers=user.headers))
    await _is_unavailable(
        await without_both.post("/auth/refresh", json={"refresh_token": user.refresh_token})
    )
    await _is_unavailable(await without_both.post("/auth/logout", headers=user.headers))
    login = {"login": user.username, "password": PASSWORD}
    await _is_unavailable(await without_both.post("/auth/login", json=login))
    await _is_unavailable(await without_both.post("/api/auth/token", data={"username": "x", "password": "y"}))


async def test_without_the_database_no_token_is_believed(
    without_database: httpx.AsyncClient, client: httpx.AsyncClient, user: SignedIn, other_user: SignedIn
) -> None:
    await client.post("/auth/logout", headers=other_user.headers)
    assert (await without_database.get("/users/me", headers=other_user.headers)).status_code == 401
    await _is_unavailable(await without_database.get("/users/me", headers=user.headers))


@pytest.mark.parametrize("token", ["x", "ant_x", "a.b.c"])
async def test_what_is_plainly_no_token_needs_nobody(without_both: httpx.AsyncClient, token: str) -> None:
    answer = await without_both.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == (503 if token.startswith("ant_") else 401)
    bad = await without_both.post("/auth/refresh", json={"refresh_token": token})
    assert bad.status_code == 401


async def test_one_query_tells_who_is_calling(
    client: httpx.AsyncClient, database: Database, user: SignedIn, admin: SignedIn
) -> None:
    """Beside the one that the route itself makes."""
    statements: list[str] = []
    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *parts: statements.append(parts[2]))
    assert (await client.get("/users/me", headers=user.headers)).status_code == 200
    assert len(statements) == 2, statements
    statements.clear()
    assert (await client.get("/users", headers=user.headers)).status_code == 403
    assert len(statements) == 1, statements
