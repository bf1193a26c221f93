"""Requests with PostgreSQL, Redis or both down."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from app.config import Settings
from app.container import build
from app.main import create_app
from app.utils.db.database import Database, Driver, Transaction
from tests.fixtures.accounts import PASSWORD, SignedIn

NOWHERE = "postgresql+asyncpg://x@127.0.0.1:9/x"


@pytest.fixture
async def without_database(settings: Settings, user: SignedIn) -> AsyncIterator[httpx.AsyncClient]:
    """The application without its database, with tokens issued before."""
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


async def test_without_both_requests_fail_with_503(without_both: httpx.AsyncClient, user: SignedIn) -> None:
    await _is_unavailable(await without_both.get("/users/me", headers=user.headers))
    await _is_unavailable(
        await without_both.post("/auth/refresh", json={"refresh_token": user.refresh_token})
    )
    await _is_unavailable(await without_both.post("/auth/logout", headers=user.headers))
    login = {"login": user.username, "password": PASSWORD}
    await _is_unavailable(await without_both.post("/auth/login", json=login))
    await _is_unavailable(await without_both.post("/api/auth/token", data={"username": "x", "password": "y"}))


async def test_without_the_database_tokens_are_not_accepted(
    without_database: httpx.AsyncClient, client: httpx.AsyncClient, user: SignedIn, other_user: SignedIn
) -> None:
    await client.post("/auth/logout", headers=other_user.headers)
    assert (await without_database.get("/users/me", headers=other_user.headers)).status_code == 401
    await _is_unavailable(await without_database.get("/users/me", headers=user.headers))


@pytest.mark.parametrize("token", ["x", "ant_x", "a.b.c"])
async def test_malformed_tokens_are_rejected_without_dependencies(
    without_both: httpx.AsyncClient, token: str
) -> None:
    answer = await without_both.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == (503 if token.startswith("ant_") else 401)
    bad = await without_both.post("/auth/refresh", json={"refresh_token": token})
    assert bad.status_code == 401


class CountingDatabase(Database):
    """Counts requests for a connection."""

    asked = 0

    @asynccontextmanager
    async def driver(self, *, fresh_plans: bool | None = True) -> AsyncIterator[Driver]:
        self.asked += 1
        async with super().driver(fresh_plans=fresh_plans) as driver:
            yield driver

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[AsyncConnection]:
        self.asked += 1
        async with super().reader() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        self.asked += 1
        async with super().transaction() as tx:
            yield tx


async def test_authentication_costs_one_query(settings: Settings, database: Database, user: SignedIn) -> None:
    counting = CountingDatabase(database.engine)
    async with build(settings, db=counting) as container:
        principal = await container.accounts.authentication.authenticate(user.access_token)
        assert (principal.user_id, counting.asked) == (user.id, 1)
        _, program = await container.accounts.tokens.mint(
            principal, name="x", scopes=["read:content"], days=1
        )
        await container.accounts.authentication.authenticate(program)  # its first use is recorded
        counting.asked = 0
        assert (await container.accounts.authentication.authenticate(program)).session_id is None
        assert counting.asked == 1
