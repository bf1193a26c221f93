"""Health checks with missing, hanging and outdated dependencies, and their response time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.container import Container, build
from app.main import create_app
from app.services.health import WITHIN
from app.utils.db.database import Database
from app.utils.db.migrations import head_revision

GONE = "postgresql+asyncpg://anisync@127.0.0.1:9/anisync"
GONE_REDIS = "redis://127.0.0.1:9/0"


@asynccontextmanager
async def client_of(settings: Settings, **changed: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with other servers."""
    other = Settings(_env_file=None, **{**settings.model_dump(exclude_none=True), **changed})
    async with build(other) as container:
        transport = httpx.ASGITransport(app=create_app(other, container=container))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client


async def execute(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await connection.execute(statement)
    await connection.close()


async def test_a_healthy_service_is_ok(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    wanted = head_revision()
    assert answer.json() == {
        "status": "ok",
        "database": {"status": "ok", "revision": wanted, "wanted": wanted},
        "redis": {"status": "ok"},
    }
    assert (await client.get("/health/")).json()["status"] == "ok"


async def test_without_redis_it_is_degraded(settings: Settings) -> None:
    async with client_of(settings, redis_url=GONE_REDIS) as client:
        answer = await client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["database"]["status"] == "ok"
    assert answer.json()["redis"] == {"status": "error"}


async def test_without_postgresql_it_is_an_error(settings: Settings) -> None:
    async with client_of(settings, database_url=GONE) as client:
        answer = await client.get("/health")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "error",
        "database": {"status": "error", "revision": None, "wanted": head_revision()},
        "redis": {"status": "ok"},
    }


async def test_without_a_schema_it_is_an_error(settings: Settings, empty_database_url: str) -> None:
    async with client_of(settings, database_url=empty_database_url) as client:
        answer = await client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "error"
    assert answer.json()["database"]["revision"] is None


async def test_another_revision_is_an_error(client: httpx.AsyncClient, database_url: str) -> None:
    assert (await client.get("/health")).status_code == 200
    await execute(database_url, "update alembic_version set version_num = 'of the future'")
    answer = await client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["database"]["revision"] == "of the future"
    await execute(database_url, f"update alembic_version set version_num = '{head_revision()}'")
    assert (await client.get("/health")).status_code == 200


async def test_a_schema_that_was_emptied_is_an_error(client: httpx.AsyncClient, database_url: str) -> None:
    await execute(database_url, "delete from alembic_version")
    assert (await client.get("/health")).status_code == 503


@pytest.mark.parametrize("wrong", ["no such database", "no such user"])
async def test_a_refused_login_is_an_error(settings: Settings, database_url: str, wrong: str) -> None:
    changed = {
        "no such database": database_url.replace("@/clone", "@/none"),
        "no such user": database_url.replace("://", "://stranger", 1).replace("strangeranisync", "stranger"),
    }[wrong]
    assert changed != database_url
    async with client_of(settings, database_url=changed) as client:
        answer = await client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "error"


async def test_hanging_servers_delay_health_by_less_than_a_second(settings: Settings, mute_port: int) -> None:
    urls = {
        "database_url": f"postgresql+asyncpg://anisync@127.0.0.1:{mute_port}/anisync",
        "redis_url": f"redis://127.0.0.1:{mute_port}/0",
    }
    async with client_of(settings, **urls) as client:
        started = time.perf_counter()
        answers = await asyncio.gather(*(client.get("/health") for _ in range(20)))
        assert time.perf_counter() - started < 3 * WITHIN  # 20 requests, on a busy machine
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].json()["redis"] == {"status": "error"}


async def test_liveness_checks_no_dependency(settings: Settings, mute_port: int) -> None:
    urls = {"database_url": f"postgresql+asyncpg://a@127.0.0.1:{mute_port}/a", "redis_url": GONE_REDIS}
    async with client_of(settings, **urls) as client:
        answer = await asyncio.wait_for(client.get("/health/live"), 1)
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


async def test_a_busy_pool_is_not_an_outage(client: httpx.AsyncClient, database: Database) -> None:
    holders = [asyncio.create_task(database.scalar("select pg_sleep(1.5)")) for _ in range(15)]
    await asyncio.sleep(0.3)
    health, life = await asyncio.gather(client.get("/health"), client.get("/health/live"))
    assert not any(holder.done() for holder in holders)
    await asyncio.gather(*holders)
    assert health.status_code == 200
    assert health.json()["status"] == "ok"
    assert life.status_code == 200


async def test_concurrent_probes_use_one_connection(
    client: httpx.AsyncClient, container: Container, database_url: str
) -> None:
    answers = await asyncio.gather(*(client.get("/health") for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    count = (
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    )
    assert await container.db.scalar(count) == 1
