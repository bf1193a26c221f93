"""Absolute links use the address of the request."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from app.config import Settings
from app.container import Container
from app.main import create_app
from tests.fixtures.accounts import SignedIn

PROXY = ("10.0.0.1", 5000)
STRANGER = ("198.51.100.7", 4000)
TLS = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "anime.example.org"}


def connected(
    settings: Settings, container: Container, peer: tuple[str, int], **changed: Any
) -> httpx.AsyncClient:
    given = {**settings.model_dump(exclude_none=True), "trusted_proxies": "10.0.0.0/8,::1", **changed}
    container_settings = Settings(_env_file=None, **given)
    object.__setattr__(container, "settings", container_settings)
    transport = httpx.ASGITransport(app=create_app(container_settings, container=container), client=peer)
    return httpx.AsyncClient(transport=transport, base_url="http://inside:8000")


async def origins_of(client: httpx.AsyncClient, headers: Mapping[str, str], user: SignedIn) -> set[str]:
    """The origins of links on a public page, a private page, and of a share link."""
    links = []
    signed = {**user.headers, **headers}
    for path in ("/anime", "/collections", "/api/library/items?limit=1"):
        page = await client.get(path, headers=signed)
        links += [link["url"] for link in page.links.values()]
    made = (await client.post("/collections", json={"name": "One"}, headers=signed)).json()
    shared = await client.post(f"/collections/{made['id']}/share", headers=signed)
    links.append(shared.json()["share_url"])
    assert (await client.get(httpx.URL(links[-1]).path)).status_code == 200 or "base/" in links[-1]
    paths = ("/anime?", "/collections?", "/collections/shared/", "/api/library/items?")
    return {next(link.partition(path)[0] for path in paths if path in link) for link in links}


CASES = {
    "no proxy": (PROXY, {}, "http://inside:8000"),
    "a proxy that speaks TLS": (PROXY, TLS, "https://anime.example.org"),
    "the scheme only": (PROXY, {"X-Forwarded-Proto": "https"}, "https://inside:8000"),
    "the host only": (PROXY, {"X-Forwarded-Host": "a.example:8443"}, "http://a.example:8443"),
    "a stranger": (STRANGER, TLS, "http://inside:8000"),
    "a stranger by the standard": (STRANGER, {"Forwarded": "proto=https;host=evil"}, "http://inside:8000"),
    "what a client made up on the left": (
        PROXY,
        {
            "X-Forwarded-For": "1.2.3.4",
            "X-Forwarded-Proto": "http, https",
            "X-Forwarded-Host": "evil, good.org",
        },
        "https://good.org",
    ),
    "two proxies": (
        PROXY,
        {
            "X-Forwarded-For": "1.2.3.4, 10.0.0.2",
            "X-Forwarded-Proto": "https, http",
            "X-Forwarded-Host": "good.org, inner",
        },
        "https://good.org",
    ),
    "the standard": (
        PROXY,
        {"Forwarded": 'for=1.2.3.4;Proto=https;host="good.org:444"'},
        "https://good.org:444",
    ),
    "the standard by two": (
        PROXY,
        {"Forwarded": 'for="[2001:db8::1]";proto=https;host=good.org, for=10.0.0.2;proto=http;host=inner'},
        "https://good.org",
    ),
    "both": (PROXY, {**TLS, "Forwarded": "proto=http;host=evil"}, "https://anime.example.org"),
    "an address as the host": (
        PROXY,
        {"X-Forwarded-Host": "[2001:db8::1]:8080"},
        "http://[2001:db8::1]:8080",
    ),
    "no scheme": (PROXY, {"X-Forwarded-Proto": "javascript"}, "http://inside:8000"),
    "no host": (PROXY, {"X-Forwarded-Host": 'evil/"><script>'}, "http://inside:8000"),
}


@pytest.mark.parametrize("case", CASES)
async def test_links_use_the_host_of_the_request(
    settings: Settings, container: Container, user: SignedIn, case: str
) -> None:
    peer, headers, expected = CASES[case]
    async with connected(settings, container, peer) as client:
        assert await origins_of(client, headers, user) == {expected}


async def test_the_public_base_url_takes_precedence(
    settings: Settings, container: Container, user: SignedIn
) -> None:
    for given in ("https://anime.example.org", "https://example.org/base/"):
        async with connected(settings, container, PROXY, public_base_url=given) as client:
            for headers in ({}, {**TLS, "X-Forwarded-Host": "other.org"}, {"Host": "another.org"}):
                assert await origins_of(client, headers, user) == {given.rstrip("/")}


async def test_a_forged_host_does_not_reach_other_clients_links(
    settings: Settings, container: Container
) -> None:
    spoofs: list[dict[str, str]] = [TLS, {"Forwarded": "host=evil;proto=https"}, {"Host": "evil"}]
    async with connected(settings, container, STRANGER) as client:
        for spoof in spoofs:
            await client.get("/anime", headers=spoof)
            page = await client.get("/anime")
            assert page.links["first"]["url"].startswith("http://inside:8000/anime?")
    async with connected(settings, container, PROXY) as client:
        for headers, expected in ((TLS, "https://anime.example.org"), ({}, "http://inside:8000")):
            for _ in range(2):
                page = await client.get("/anime", headers=headers)
                assert page.links["first"]["url"].startswith(expected)


async def test_an_invalid_host_makes_links_relative(settings: Settings, container: Container) -> None:
    async with connected(settings, container, STRANGER) as client:
        page = await client.get("/anime", headers={"Host": 'a"><b'})
        assert page.links["first"]["url"].startswith("/anime?")


async def test_share_links_lead_to_the_front_end(
    settings: Settings, container: Container, user: SignedIn
) -> None:
    front = settings.model_copy(
        update={"app_url": "https://app.example.org/tracker", "public_base_url": None}
    )
    at_front = dataclasses.replace(container, settings=front)
    transport = httpx.ASGITransport(app=create_app(front, container=at_front))
    async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
        made = (await client.post("/collections", json={"name": "One"}, headers=user.headers)).json()
        path = f"/collections/{made['id']}/share"
        link = (await client.post(path, headers=user.headers)).json()["share_url"]
        assert link.startswith("https://app.example.org/tracker/collections/shared/")
        assert (await client.get(path, headers=user.headers)).json() == {"share_url": link}
        shown = await client.get(f"/collections/shared/{link.rpartition('/')[2]}")
        assert shown.json()["name"] == "One"
