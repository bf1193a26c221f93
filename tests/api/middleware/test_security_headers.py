"""Security headers and CORS."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.config import LOCAL_ORIGINS, Settings
from app.container import Container
from app.main import create_app
from tests.fixtures.accounts import SignedIn

ORIGIN = "https://app.example.org"
OTHERS = [
    "null", "https://app.example.org.evil.test", "https://evil-app.example.org", "http://app.example.org",
    "https://app.example.org:8443", "https://APP.example.org", "https://app.example.org/", "https://example.org",
    "*", "",
]  # fmt: skip


@pytest.fixture
async def browser(settings: Settings, container: Container) -> AsyncIterator[httpx.AsyncClient]:
    allowed = settings.model_copy(update={"allowed_origins": [ORIGIN]})
    transport = httpx.ASGITransport(app=create_app(allowed, container=container))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


REQUESTS = {
    200: ("GET", "/health/live", None),
    401: ("GET", "/users/me", None),
    404: ("GET", "/nothing/here", None),
    405: ("PUT", "/users/me", None),
    413: ("POST", "/auth/login", "x" * 2_000_000),
    422: ("POST", "/auth/login", "{}"),
}


@pytest.mark.parametrize("status", sorted(REQUESTS))
@pytest.mark.parametrize("origin", [ORIGIN, *OTHERS])
async def test_only_exact_origins_are_allowed(browser: httpx.AsyncClient, status: int, origin: str) -> None:
    method, path, body = REQUESTS[status]
    headers = {"Origin": origin, "Content-Type": "application/json"}
    answer = await browser.request(method, path, content=body, headers=headers)
    assert answer.status_code == status
    allowed = answer.headers.get("Access-Control-Allow-Origin")
    assert allowed == (ORIGIN if origin == ORIGIN else None)
    assert "Origin" in answer.headers["Vary"]
    if origin == ORIGIN:
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        exposed = answer.headers["Access-Control-Expose-Headers"]
        for name in ("X-Request-ID", "X-Total-Count", "Link", "ETag", "Retry-After", "RateLimit-Remaining"):
            assert name in exposed


@pytest.mark.parametrize("origin", [ORIGIN, *OTHERS])
async def test_preflights(browser: httpx.AsyncClient, origin: str) -> None:
    answer = await browser.options(
        "/users/me",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "authorization,content-type,if-match,idempotency-key",
        },
    )
    assert answer.headers.get("Access-Control-Allow-Origin") == (ORIGIN if origin == ORIGIN else None)
    if origin == ORIGIN:
        assert answer.status_code in {200, 204}
        assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
        assert "if-match" in answer.headers["Access-Control-Allow-Headers"]


async def test_without_allowed_origins_cors_is_off(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live", headers={"Origin": ORIGIN})
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_every_response_has_security_headers(client: httpx.AsyncClient, user: SignedIn) -> None:
    for path in ("/health/live", "/nothing", "/users/me", "/openapi.json", f"/users/{user.id}"):
        answer = await client.get(path, headers=user.headers)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        kept = "private, no-cache" if path == "/users/me" else "no-store"
        assert answer.headers["Cache-Control"] == kept
        assert "Server" not in answer.headers


async def test_the_docs_page_may_load_its_own_files(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/docs")).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'")
    assert "frame-ancestors 'none'" in policy


async def test_public_responses_are_cacheable(client: httpx.AsyncClient, user: SignedIn) -> None:
    assert "Cache-Control" not in (await client.get(f"/users/{user.id}")).headers
    assert (await client.post("/auth/login", json={})).headers["Cache-Control"] == "no-store"


async def test_local_origins_may_have_any_port(settings: Settings, container: Container) -> None:
    allowed = settings.model_copy(update={"allowed_origins": [*LOCAL_ORIGINS, ORIGIN]})
    transport = httpx.ASGITransport(app=create_app(allowed, container=container))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        for origin in ("http://localhost:5173", "http://127.0.0.1:1", ORIGIN):
            answer = await client.get("/health/live", headers={"Origin": origin})
            assert answer.headers["access-control-allow-origin"] == origin
        for origin in (
            "http://localhost",
            "http://localhost:5173.example.org",
            "https://localhost:1",
            "http://xlocalhost:1",
        ):
            answer = await client.get("/health/live", headers={"Origin": origin})
            assert "access-control-allow-origin" not in answer.headers
