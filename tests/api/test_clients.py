"""Client addresses: the peer's, unless a trusted proxy forwards another."""

import ipaddress
from collections.abc import AsyncIterator

import httpx
import pytest

from app.config import Settings
from app.container import Container
from app.main import create_app
from tests.fixtures.accounts import PASSWORD, SignedIn

CLIENT = ("198.51.100.7", 4000)


async def connected(
    settings: Settings, container: Container, peer: tuple[str, int]
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, container=container)
    transport = httpx.ASGITransport(app=app, client=peer)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


@pytest.fixture
def trusting(settings: Settings) -> Settings:
    networks = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("127.0.0.1")]
    settings.trusted_proxies = networks
    return settings


async def address_seen(client: httpx.AsyncClient, user: SignedIn, headers: dict[str, str]) -> str:
    body = {"login": user.username, "password": PASSWORD}
    answer = await client.post("/auth/login", json=body, headers=headers)
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    sessions = (await client.get("/auth/sessions", headers=bearer)).json()
    return str(next(one["address"] for one in sessions if one["current"]))


SPOOFS = [
    {"X-Forwarded-For": "1.2.3.4"},
    {"Forwarded": "for=1.2.3.4"},
    {"X-Real-IP": "1.2.3.4"},
    {"X-Forwarded-For": "1.2.3.4, 10.0.0.1"},
    {"CF-Connecting-IP": "1.2.3.4", "True-Client-IP": "1.2.3.4"},
]


@pytest.mark.parametrize("spoof", SPOOFS)
async def test_headers_of_untrusted_peers_are_ignored(
    trusting: Settings, container: Container, user: SignedIn, spoof: dict[str, str]
) -> None:
    async for client in connected(trusting, container, CLIENT):
        assert await address_seen(client, user, spoof) == CLIENT[0]


@pytest.mark.parametrize(
    ("forwarded", "seen"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("unknown", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", "10.0.0.1"),
    ],
)
async def test_headers_of_trusted_proxies_are_used(
    trusting: Settings, container: Container, user: SignedIn, forwarded: str, seen: str
) -> None:
    async for client in connected(trusting, container, ("10.0.0.1", 5000)):
        assert await address_seen(client, user, {"X-Forwarded-For": forwarded}) == seen


async def test_a_peer_replaced_by_uvicorn_is_not_trusted(
    settings: Settings, container: Container, user: SignedIn
) -> None:
    """With its own defaults, uvicorn replaces the peer by a header's value, with port 0."""
    async for client in connected(settings, container, ("1.2.3.4", 0)):
        assert await address_seen(client, user, {"X-Forwarded-For": "1.2.3.4"}) == "127.0.0.1"


async def test_rotating_the_header_gains_no_attempts(
    settings: Settings, container: Container, user: SignedIn
) -> None:
    async for client in connected(settings, container, CLIENT):
        statuses = []
        for number in range(8):
            body = {"login": user.username, "password": "not the password"}
            headers = {"X-Forwarded-For": f"203.0.113.{number}"}
            statuses.append((await client.post("/auth/login", json=body, headers=headers)).status_code)
        assert statuses == [401] * 5 + [429] * 3
