"""Inbound rate limits: client groups, and behaviour without Redis."""

import httpx
import pytest

from app.config import Settings
from app.container import build
from app.main import create_app
from app.utils.db.database import Database


async def remaining(client: httpx.AsyncClient, **headers: str) -> int:
    answer = await client.get("/anime/jikan/0", headers=headers)
    return int(answer.headers["RateLimit-Remaining"])


async def test_a_forged_address_has_no_effect(client: httpx.AsyncClient) -> None:
    counted = [await remaining(client, **{"X-Forwarded-For": f"203.0.113.{turn}"}) for turn in range(5)]
    assert counted == [599, 598, 597, 596, 595]


async def test_clients_behind_a_trusted_proxy_are_counted_separately(
    settings: Settings, database: Database
) -> None:
    trusting = Settings.model_validate({**settings.model_dump(), "trusted_proxies": "127.0.0.0/8"})
    async with build(trusting, db=database) as container:
        transport = httpx.ASGITransport(app=create_app(trusting, container=container))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            assert await remaining(client, **{"X-Forwarded-For": "203.0.113.1"}) == 599
            assert await remaining(client, **{"X-Forwarded-For": "203.0.113.2"}) == 599
            assert await remaining(client, **{"X-Forwarded-For": "198.51.100.9, 203.0.113.2"}) == 598
            assert await remaining(client, **{"X-Forwarded-For": "2001:470::1"}) == 599
            assert await remaining(client, **{"X-Forwarded-For": "2001:470::2"}) == 598


async def test_without_redis_the_process_counts_on_its_own(settings: Settings, database: Database) -> None:
    alone = settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"})
    async with build(alone, db=database) as container:
        transport = httpx.ASGITransport(app=create_app(alone, container=container))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            assert [await remaining(client) for _ in range(3)] == [599, 598, 597]


@pytest.mark.parametrize("path", ["/health/live"])
async def test_unlimited_routes_have_no_rate_limit_headers(client: httpx.AsyncClient, path: str) -> None:
    assert "RateLimit-Limit" not in (await client.get(path)).headers
