"""The HiAnime proxy: passed-through data, failures, and requests that must not reach the upstream."""

import asyncio
from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

import httpx
import pytest

from app.config import Settings
from app.container import build
from app.main import create_app
from app.utils.db.database import Database
from tests.fixtures.catalogue import OfManyClients
from tests.standin.hianime import BASE, HOST, HiAnimeStandin


@pytest.fixture
def upstream() -> HiAnimeStandin:
    return HiAnimeStandin()


@pytest.fixture
async def proxy(
    settings: Settings, database: Database, redis_url: str, upstream: HiAnimeStandin
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings.model_copy(update={"hianime_base_url": BASE})
    async with build(settings, db=database, transport=httpx.MockTransport(upstream)) as container:
        transport = OfManyClients(app=create_app(settings, container=container))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client


ROUTES = {
    "/api/home": "/home",
    "/api/schedule?date=2024-07-06": "/schedule?date=2024-07-06&tzOffset=-330",
    "/api/schedule?date=2024-07-06&tzOffset=0": "/schedule?date=2024-07-06&tzOffset=0",
    "/api/search?q=steins%20gate": "/search?q=steins+gate&page=1",
    "/api/search?q=x%26page%3D9%23&page=2&genres=action,sci-fi&language=sub-%26-dub": (
        "/search?q=x%26page%3D9%23&page=2&genres=action%2Csci-fi&language=sub-%26-dub"
    ),
    "/api/search/suggestion?q=monster": "/search/suggestion?q=monster",
    "/api/anime/steinsgate-3": "/anime/steinsgate-3",
    "/api/anime/steinsgate-3/episodes": "/anime/steinsgate-3/episodes",
    "/api/episode/servers?animeEpisodeId=steinsgate-3?ep=230": (
        "/episode/servers?animeEpisodeId=steinsgate-3%3Fep%3D230"
    ),
    "/api/episode/servers?animeEpisodeId=steinsgate-230": (
        "/episode/servers?animeEpisodeId=steinsgate-230%3Fep%3D230"
    ),
    "/api/episode/sources?animeEpisodeId=steinsgate-3%3Fep%3D230&server=hd-2&category=dub": (
        "/episode/sources?animeEpisodeId=steinsgate-3%3Fep%3D230&server=hd-2&category=dub"
    ),
}


async def test_each_route_calls_its_path_once_and_returns_the_data(
    proxy: httpx.AsyncClient, upstream: HiAnimeStandin
) -> None:
    for route in ROUTES:
        first, second = await proxy.get(route), await proxy.get(route)
        assert (first.status_code, first.headers["X-Cache"]) == (200, "miss"), first.text
        assert set(first.json()) == {"data"}
        assert (second.json(), second.headers["X-Cache"]) == (first.json(), "hit")
        again = await proxy.get(route, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert upstream.asked == [f"/api/v2/hianime{target}" for target in ROUTES.values()]


async def test_concurrent_requests_make_one_call(proxy: httpx.AsyncClient, upstream: HiAnimeStandin) -> None:
    answers = await asyncio.gather(*(proxy.get("/api/anime/monster-37") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(upstream.requests) == 1


async def test_every_wrapper_is_understood(proxy: httpx.AsyncClient, upstream: HiAnimeStandin) -> None:
    for number, around in enumerate(({"success": True}, {"status": 200}, {})):
        upstream.answer = lambda _, around=around: httpx.Response(200, json={**around, "data": [1]})
        assert (await proxy.get(f"/api/anime/a-{number}")).json() == {"data": [1]}


def _unreachable(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


FAULTS: dict[str, Callable[[httpx.Request], httpx.Response]] = {
    "500": lambda _: httpx.Response(500, json={"status": 500, "message": "Couldn't find server"}),
    "503": lambda _: httpx.Response(503),
    "html": lambda _: httpx.Response(200, html="<h1>hello</h1>"),
    "a redirect": lambda _: httpx.Response(302, headers={"Location": "http://169.254.169.254/latest/"}),
    "no data": lambda _: httpx.Response(200, json={"success": True}),
    "not JSON": lambda _: httpx.Response(200, text="daijoubu", headers={"Content-Type": "application/json"}),
    "an array": lambda _: httpx.Response(200, json=[1]),
    "a cut answer": lambda _: httpx.Response(200, content=b"{", headers={"Content-Type": "application/json"}),
    "a video": lambda _: httpx.Response(200, content=b"\0" * 99, headers={"Content-Type": "video/mp2t"}),
    "nobody": _unreachable,
}


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_every_fault_of_the_upstream_is_a_502(
    proxy: httpx.AsyncClient, upstream: HiAnimeStandin, part: int
) -> None:
    """Few faults per test: after eight failed attempts the circuit breaker opens."""
    for fault in list(FAULTS)[part::3]:
        upstream.requests.clear()
        upstream.answer = FAULTS[fault]
        answer = await proxy.get("/api/home")
        assert (answer.status_code, answer.json()["code"]) == (502, "UPSTREAM_ERROR"), fault
        assert set(answer.json()) == {"code", "message", "details", "request_id"}
        assert upstream.requests, fault
    assert {request.url.host for request in upstream.requests} == {HOST}


async def test_an_upstream_refusal_is_passed_on_and_not_cached(
    proxy: httpx.AsyncClient, upstream: HiAnimeStandin
) -> None:
    for status, code in REFUSALS.items():
        upstream.answer = lambda _, status=status: httpx.Response(status, json={"message": "no"})
        answer = await proxy.get(f"/api/anime/nothing-{status}")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert ("Retry-After" in answer.headers) == (status == 429)
        if status != 429:
            upstream.answer = None
            assert (await proxy.get(f"/api/anime/nothing-{status}")).status_code == 200
    assert int(answer.headers["Retry-After"]) >= 1


# 429 comes last: no calls are made after it
REFUSALS = {
    400: "VALIDATION_ERROR",
    401: "UPSTREAM_ERROR",
    403: "UPSTREAM_ERROR",
    404: "NOT_FOUND",
    410: "UPSTREAM_ERROR",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMITED",
}


async def test_a_refusal_sent_with_200_counts_as_one(
    proxy: httpx.AsyncClient, upstream: HiAnimeStandin
) -> None:
    upstream.answer = lambda _: httpx.Response(200, json={"status": 404, "message": "Not Found"})
    assert (await proxy.get("/api/anime/nothing-1")).status_code == 404


BAD = [
    "/api/schedule?date=tomorrow", "/api/schedule?date=20240706", "/api/schedule?date=1720224000",
    "/api/schedule?tzOffset=9999", "/api/search", "/api/search?q=%20", f"/api/search?q={'x' * 101}",
    "/api/search?q=x&page=0", "/api/search?q=x&host=evil", "/api/search/suggestion", "/api/home?url=x",
    "/api/episode/servers", "/api/episode/servers?animeEpisodeId=steinsgate", "/api/search?q=%00",
    "/api/episode/sources?animeEpisodeId=a-1?ep=1&category=all",
    "/api/episode/sources?animeEpisodeId=a-1?ep=1&server=../hd",
]  # fmt: skip


async def test_invalid_input_is_rejected_without_a_call(
    proxy: httpx.AsyncClient, upstream: HiAnimeStandin
) -> None:
    for url in BAD:
        answer = await proxy.get(url)
        assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR"), url
    assert upstream.requests == []


# Each is sent as a slug, an episode id, a server and a search.
PAYLOADS = [
    "..", ".", "../..", "../../..", "../../../etc/passwd", "..\\..", "..;/", "....//", "%2e%2e", "%2e%2e%2f",
    "%252e%252e%252f", "..%2f..%2f", "..%5c", "%c0%ae%c0%ae", "%e0%80%ae", "a/../../b", "a-1/../home",
    "a-1/episodes/../..", "/", "//", "//evil.example", "///evil.example/x", "\\\\evil.example",
    "http://evil.example/", "https://evil.example", "http:/evil.example", "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_", "ftp://evil.example", "dict://127.0.0.1:11211/", "javascript:alert(1)",
    "data:text/html,x", "@evil.example", "a-1@evil.example", ":80@evil.example/", "user:pass@evil.example",
    "127.0.0.1", "http://127.0.0.1:9/", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]",
    "[::ffff:127.0.0.1]", "::1", "localhost", "169.254.169.254", "http://169.254.169.254/latest/meta-data/",
    "a-1?x=1", "a-1?ep=1&url=http://evil.example", "a-1?ep=1#x", "#", "a-1#frag", "a-1;b", "a-1%00",
    "a-1\x00",
    "a-1\r\nHost: evil.example", "a-1%0d%0aX: y", "a-1\nGET /x", "a 1", "a-1 HTTP/1.1", "\u2025/\u2025",
    "\uff0e\uff0e\uff0f", "a\u202e-1", "\u2024\u2024/", "%%", "{slug}", "${jndi:ldap://evil.example}",
    "a" * 5000,
    "-", "--", "a--1", "_", "a-", "-a",
]  # fmt: skip


def _paths(payload: str) -> list[str]:
    sent = quote(payload, safe="")
    return [
        f"/api/anime/{sent}",
        f"/api/anime/{sent}/episodes",
        f"/api/episode/servers?animeEpisodeId={sent}",
        f"/api/episode/sources?animeEpisodeId={sent}&server=hd-1",
        f"/api/episode/sources?animeEpisodeId=a-1?ep=1&server={sent}",
        f"/api/schedule?date={sent}",
        f"/api/search?q=x&genres={sent}",
        f"/api/search?q=x&sort={sent}",
    ]


async def test_no_payload_escapes_the_allow_list(proxy: httpx.AsyncClient, upstream: HiAnimeStandin) -> None:
    """No call to another path of the upstream; what is not a slug is a 4xx."""
    assert len(PAYLOADS) >= 60
    for payload in PAYLOADS:
        for path in _paths(payload):
            answer = await proxy.get(path)
            assert 400 <= answer.status_code < 500 or upstream.requests, (path, answer.status_code)
    allowed = ("/api/v2/hianime/anime/", "/api/v2/hianime/search?q=x&page=1&", "/api/v2/hianime/episode/")
    for request in upstream.requests:
        target = request.url.raw_path.decode()
        assert request.url.host == HOST
        assert target.startswith(allowed), target
        slug = target.split("?")[0].removeprefix("/api/v2/hianime/")
        assert not set(slug) & set("%.\\@:;#"), target
        assert "//" not in slug, target
    asked = {request.url.path.rsplit("/", 1)[1] for request in upstream.requests}
    assert asked <= {"2130706433", "0x7f000001", "localhost", "episodes", "sources", "servers", "search"}


async def test_search_terms_are_escaped(proxy: httpx.AsyncClient, upstream: HiAnimeStandin) -> None:
    answers = [await proxy.get("/api/search", params={"q": words}) for words in PAYLOADS]
    assert {answer.status_code for answer in answers} == {200, 422}
    for request in upstream.requests:
        assert (request.url.host, request.url.path) == (HOST, "/api/v2/hianime/search")
    asked = {request.url.params["q"] for request in upstream.requests}
    assert asked == {" ".join(words.split()) for words in PAYLOADS if "\0" not in words and len(words) < 101}


async def test_without_a_base_url_the_routes_are_disabled(client: httpx.AsyncClient) -> None:
    for route in ROUTES:
        answer = await client.get(route)
        assert (answer.status_code, answer.json()["code"]) == (503, "UPSTREAM_DISABLED"), route
    assert (await client.get("/api/health")).json() == {"status": "up and running", "hianime": "disabled"}


async def test_health_reports_the_upstream_from_a_cache(
    proxy: httpx.AsyncClient, upstream: HiAnimeStandin
) -> None:
    for _ in range(5):
        answer = await proxy.get("/api/health")
        assert (answer.status_code, answer.json()["hianime"]) == (200, "up")
    assert upstream.asked == ["/api/v2/hianime/home"]


async def test_health_stays_well_when_the_upstream_is_not(
    proxy: httpx.AsyncClient, upstream: HiAnimeStandin
) -> None:
    upstream.answer = _unreachable
    answer = await proxy.get("/api/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "up and running", "hianime": "down"})
