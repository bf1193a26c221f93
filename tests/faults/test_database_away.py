"""A PostgreSQL that rejects connections: 503 on every route that needs it, and health reports it."""

import asyncio
import struct
from collections.abc import AsyncIterator

import httpx
import pytest

from app.config import Settings
from app.container import build
from app.main import create_app

pytestmark = pytest.mark.fault

STATES = {
    "57P03": "the database system is starting up",
    "53300": "sorry, too many clients already",
    "3D000": "database does not exist",
    "28P01": "password authentication failed",
    "08P01": "nonsense",
}
PATHS = ("/anime", "/anime/1", "/anime/mal/1", "/search/anime?q=abc", "/genres", "/users/1")


@pytest.fixture(params=[*STATES, "refused", "mute"])
async def port(request: pytest.FixtureRequest, unused_port: int, mute_port: int) -> AsyncIterator[int]:
    """The port of a server that refuses each connection with this SQLSTATE, or does not even do that."""
    if request.param in {"refused", "mute"}:
        yield unused_port if request.param == "refused" else mute_port
        return
    fields = f"SFATAL\0VFATAL\0C{request.param}\0M{STATES[request.param]}\0\0".encode()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (length := struct.unpack("!I", await reader.readexactly(4))[0]) == 8:  # a TLS request
            await reader.readexactly(4)
            writer.write(b"N")
        await reader.readexactly(length - 4)
        writer.write(b"E" + struct.pack("!I", len(fields) + 4) + fields)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def client(settings: Settings, port: int) -> AsyncIterator[httpx.AsyncClient]:
    url = f"postgresql+asyncpg://anisync:secret@127.0.0.1:{port}/anisync"
    given = Settings(_env_file=None, **{**settings.model_dump(exclude_none=True), "database_url": url})
    async with build(given) as container:
        transport = httpx.ASGITransport(app=create_app(given, container=container))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client


async def test_a_database_outage_causes_no_500(client: httpx.AsyncClient) -> None:
    login = {"login": "somebody", "password": "a long password"}
    answers = await asyncio.gather(
        *(client.get(path) for path in PATHS), client.post("/auth/login", json=login)
    )
    for answer in answers:
        assert answer.status_code == 503, answer.request.url
        assert answer.json()["code"] == "SERVICE_UNAVAILABLE"
        assert int(answer.headers["retry-after"]) >= 1


async def test_health_reports_the_outage_and_liveness_stays_ok(client: httpx.AsyncClient) -> None:
    health, life = await asyncio.gather(client.get("/health"), client.get("/health/live"))
    assert (health.status_code, health.json()["status"]) == (503, "error")
    assert life.status_code == 200
