"""The internal surface: access and effects; the Node service is a mock transport."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.config import Settings
from app.container import Container, build
from app.main import create_app
from app.schemas.events import EpisodeReleased
from app.tasks import performer
from app.utils.db.database import Database
from app.utils.redis.rate_limit import Rate
from tests.fixtures.accounts import make_account

TOKEN = "a token between services, long enough"
SERVICE = {"Authorization": f"Bearer {TOKEN}"}
V3 = {
    "id": 9919,
    "code": "butterfly-girls",
    "names": {"ru": "Девочки-бабочки", "en": "Butterfly Girls", "alternative": None},
    "status": {"string": "В работе", "code": 1},
    "type": {"string": "ТВ", "episodes": 24},
    "genres": ["Магия"],
    "season": {"string": "лето", "year": 2025},
    "posters": {"small": {"url": "/storage/s.jpg"}, "original": {"url": "https://cdn.test/o.jpg"}},
    "player": {
        "host": "cache.test",
        "list": {"1": {"episode": 1, "name": None, "hls": {"fhd": None, "hd": "/1/720.m3u8", "sd": None}}},
    },
    "blocked": {"copyrights": False, "geoip": True},
}


class Node(httpx.MockTransport):
    """A Node service; AniLibria, which shares the transport, is down."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.notified: list[Any] = []
        self.down = 0

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.host != "node.test":
            raise httpx.ConnectError("gone")
        if request.url.path == "/internal/anilibria/notify":
            assert request.headers["authorization"] == f"Bearer {TOKEN}"
            if self.down:
                self.down -= 1
                return httpx.Response(503, json={})
            self.notified.append(json.loads(request.content))
            return httpx.Response(202)
        if request.url.path == "/api/anilibria/9919":
            return httpx.Response(200, json={"success": True, "data": V3})
        if request.url.path == "/api/anilibria/popular":
            return httpx.Response(200, json={"success": True, "data": [V3]})
        if request.url.path == "/internal/users/validate/64f0c0ffee":
            user = {"user_id": "64f0c0ffee", "valid": True, "username": "old", "role": "user"}
            return httpx.Response(200, json=user)
        return httpx.Response(404, json={"success": False})


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
async def container(settings: Settings, database: Database, node: Node) -> AsyncIterator[Container]:
    told = settings.model_copy(
        update={
            "internal_service_token": SecretStr(TOKEN),
            "node_service_url": "http://node.test",
            "anilibria_base_url": "http://anilibria.test/api/v1",
        }
    )
    rate = Rate.of(per_second=3000, per_minute=180_000)
    async with build(told, db=database, transport=node, anilibria_rate=rate) as container:
        yield container


@pytest.fixture
async def client(container: Container) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(container.settings, container=container))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


async def test_only_services_get_in(client: httpx.AsyncClient, container: Container) -> None:
    user = await make_account(container, role="admin")
    for headers in ({}, user.headers, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = await client.get("/internal/cache/stats", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert (await client.get("/internal/cache/stats", headers=SERVICE)).status_code == 200


async def test_without_a_configured_token_all_requests_are_rejected(
    settings: Settings, database: Database
) -> None:
    async with build(settings, db=database) as container:
        transport = httpx.ASGITransport(app=create_app(settings, container=container))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            for headers in ({}, SERVICE, {"Authorization": "Bearer "}):
                assert (await client.get("/internal/cache/stats", headers=headers)).status_code == 503


async def test_syncs_and_news_are_jobs(client: httpx.AsyncClient) -> None:
    client.headers.update(SERVICE)
    body = {"title_id": 9919, "force": True, "priority": "high"}
    first = await client.post("/internal/sync/title", json=body)
    again = await client.post("/internal/sync/title", json=body)
    assert (first.status_code, again.json()["job_id"]) == (202, first.json()["job_id"])
    told = {"type": "new_episode", "title_id": 9919, "episode": 18, "timestamp": "2025-08-01T15:30:00Z"}
    assert (await client.post("/internal/anilibria/notify", json=told)).json()["key"] == first.json()["key"]
    for bad in ({"title_id": 0}, {"title_id": "x"}, {}, {"title_id": 7, "more": 1}):
        assert (await client.post("/internal/sync/title", json=bad)).status_code == 422


async def test_priority_decides_the_class_of_a_sync_and_only_moves_it_up(
    client: httpx.AsyncClient, database: Database
) -> None:
    client.headers.update(SERVICE)

    async def queued_in(**said: str) -> str:
        answer = await client.post("/internal/sync/title", json={"title_id": 31, **said})
        assert answer.status_code == 202, answer.text
        async with database.reader() as connection:
            found = await connection.execute(
                text("SELECT job_class FROM jobs WHERE id = :id"), {"id": answer.json()["job_id"]}
            )
            return str(found.scalar_one())

    assert await queued_in(priority="low") == "upkeep"
    assert await queued_in() == "order"
    assert await queued_in(priority="high") == "push"
    assert await queued_in(priority="low") == "push"


async def test_a_clear_stays_inside_of_the_namespace(client: httpx.AsyncClient, container: Container) -> None:
    client.headers.update(SERVICE)
    for key in ("cache:anilibria:title:7", "cache:anilibria:titles:page:1", "cache:other:x", "flight:x"):
        await container.redis.set(key, b"0 1\nx")
    for pattern in ("titles:*", "../*", "x*", "cache:other:*", "other:*", "%", "session:*"):
        answer = await client.request(
            "DELETE", "/internal/cache/clear", json={"pattern": pattern, "confirm": True}
        )
        assert answer.status_code == 200, answer.text
    left = {bytes(key).decode() async for key in container.redis.scan_iter("*")}
    assert {"cache:anilibria:title:7", "cache:other:x", "flight:x"} <= left
    assert "cache:anilibria:titles:page:1" not in left
    for pattern in ("[a-z]*", "?*", "\\\\*", "*"):
        await client.request("DELETE", "/internal/cache/clear", json={"pattern": pattern, "confirm": True})
    left = {bytes(key).decode() async for key in container.redis.scan_iter("*")}
    assert {"cache:other:x", "flight:x"} <= left
    assert "cache:anilibria:title:7" not in left
    for bad in ({"pattern": "*"}, {"pattern": "*", "confirm": False}, {"pattern": "", "confirm": True}):
        assert (await client.request("DELETE", "/internal/cache/clear", json=bad)).status_code == 422


async def test_users_are_ours_or_those_of_the_node_service(
    client: httpx.AsyncClient, container: Container
) -> None:
    client.headers.update(SERVICE)
    user = await make_account(container)

    async def validate(user_id: object) -> Any:
        answer = await client.get(f"/internal/users/validate/{user_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    ours = await validate(user.id)
    assert (ours["user_id"], ours["valid"], ours["username"], ours["role"]) == (
        user.id,
        True,
        user.username,
        "user",
    )
    assert "read:content" in ours["permissions"]
    assert (await validate("64f0c0ffee"))["username"] == "old"
    unknown = await validate(99_999_999)
    assert unknown == {
        "user_id": 99_999_999,
        "valid": False,
        "username": None,
        "role": None,
        "permissions": [],
    }


async def test_the_node_service_is_used_as_a_last_resort(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/anilibria/v2/titles/9919")
    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert (body["meta"]["source"], body["meta"]["cached"], body["meta"]["cache_level"]) == (
        "node",
        False,
        None,
    )
    title = body["data"]
    assert (title["status"], title["season"], title["year"]) == ("ongoing", "summer", 2025)
    assert title["player"]["episodes"]["1"]["sources"] == [
        {"quality": "720p", "url": "https://cache.test/1/720.m3u8", "type": "hls"}
    ]
    assert title["blocked"] is True
    popular = (await client.get("/api/anilibria/v2/popular")).json()
    assert [one["id"] for one in popular["data"]] == [9919]
    assert (await client.get("/api/anilibria/v2/titles/5")).json()["error"]["code"].startswith("UPSTREAM")


async def test_the_node_service_gets_every_event_with_retries(container: Container, node: Node) -> None:
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    async with container.db.transaction() as tx:
        tx.emit(EpisodeReleased(9919, 18.0, "Имя", "Финал", None, at))
    (job,) = (await container.jobs.list(kind="node.notify")).jobs
    await container.jobs.run(job.id, performer(container))
    assert (await container.jobs.get(job.id)).status == "succeeded"
    assert node.notified == [
        {
            "type": "new_episode",
            "title_id": 9919,
            "episode": 18,
            "title": "Имя",
            "episode_name": "Финал",
            "poster": None,
            "timestamp": "2026-11-20T12:00:00Z",
        }
    ]
