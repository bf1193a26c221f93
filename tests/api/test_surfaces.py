"""Failures on every surface over real sockets: format, headers, kept connections."""

import re
from typing import Any

import httpx
import pytest

from app.api.surfaces import SURFACES, surface_of
from tests.fixtures.failing import ORIGIN, PREFIXES, code_of

REQUEST_ID = re.compile(r"[0-9a-f]{32}")
EXPECTED = {
    "unauthenticated": (401, "AUTH_ERROR"),
    "forbidden": (403, "PERMISSION_DENIED"),
    "missing": (404, "NOT_FOUND"),
    "conflict": (409, "CONFLICT_ERROR"),
    "stale": (412, "PRECONDITION_FAILED"),
    "limited": (429, "RATE_LIMITED"),
    "upstream": (502, "UPSTREAM_ERROR"),
    "unavailable": (503, "UPSTREAM_UNAVAILABLE"),
    "disabled": (503, "UPSTREAM_DISABLED"),
    "slow": (504, "UPSTREAM_TIMEOUT"),
    "database": (503, "SERVICE_UNAVAILABLE"),
    "gone": (404, "NOT_FOUND"),
    "unstorable": (422, "VALIDATION_ERROR"),
    "crash": (500, "INTERNAL_ERROR"),
}


def test_every_surface_is_tested() -> None:
    assert {surface_of(prefix).name for prefix in PREFIXES.values()} == {
        "core",
        *(surface.name for surface in SURFACES),
    }


def test_a_surface_ends_at_a_slash() -> None:
    assert surface_of("/api/library").name == "tracker"
    assert surface_of("/api/library/items").name == "tracker"
    assert surface_of("/api/library2").name == "core"
    assert surface_of("/api/anilibria/v20/titles").name == "core"
    assert surface_of("/api/anime/one-piece-100/episodes").name == "hianime"
    assert surface_of("/anime").name == "core"


@pytest.mark.parametrize("how", EXPECTED)
@pytest.mark.parametrize("surface", PREFIXES)
def test_failures_have_the_format_of_their_surface(failing: httpx.Client, surface: str, how: str) -> None:
    answer = failing.get(f"{PREFIXES[surface]}/fails/{how}", headers={"Origin": ORIGIN})
    status, code = EXPECTED[how]
    if status == 422:
        status = next((at.invalid_status for at in SURFACES if at.name == surface), status)
    assert answer.status_code == status
    assert code_of(answer, surface) == code
    assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("surface", PREFIXES)
def test_unknown_paths_have_the_format_of_their_surface(failing: httpx.Client, surface: str) -> None:
    answer = failing.get(f"{PREFIXES[surface]}/nowhere", headers={"Origin": ORIGIN})
    assert answer.status_code == 404
    assert code_of(answer, surface) == "NOT_FOUND"
    assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("surface", PREFIXES)
def test_wrong_methods_get_an_allow_header(failing: httpx.Client, surface: str, method: str) -> None:
    answer = failing.request(method, f"{PREFIXES[surface]}/items")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD, POST"
    assert code_of(answer, surface) == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("surface", PREFIXES)
def test_invalid_fields_are_named(failing: httpx.Client, surface: str) -> None:
    status = 400 if surface == "anilibria" else 422
    answer = failing.post(f"{PREFIXES[surface]}/items", json={"score": -1})
    assert answer.status_code == status
    assert code_of(answer, surface) == "VALIDATION_ERROR"
    body = answer.json()
    details = body["error"]["details"] if surface == "anilibria" else body["details"]
    assert set(details["fields"]) == {"name", "score"}
    assert failing.get(f"{PREFIXES[surface]}/items?limit=0").status_code == status


def test_headers_of_the_failure_are_sent(failing: httpx.Client) -> None:
    assert failing.get("/things/fails/unauthenticated").headers["www-authenticate"] == "Bearer"
    assert failing.get("/things/fails/limited").headers["retry-after"] == "7"
    assert failing.get("/things/fails/unavailable").headers["retry-after"] == "30"
    assert failing.get("/things/fails/database").headers["retry-after"] == "1"
    assert failing.get("/things/fails/conflict").json()["details"] == {"id": 7}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "multipart/form-data", "", "\xff", "json"]
)
@pytest.mark.parametrize("surface", PREFIXES)
def test_other_content_is_not_supported(failing: httpx.Client, surface: str, content_type: str) -> None:
    headers: Any = {"Content-Type": content_type.encode("latin-1")}
    answer = failing.post(f"{PREFIXES[surface]}/items", content=b'{"name": "a"}', headers=headers)
    assert answer.status_code == 415
    assert code_of(answer, surface) == "UNSUPPORTED_MEDIA"


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/merge-patch+json"])
def test_json_by_other_names_is_read(failing: httpx.Client, content_type: str) -> None:
    answer = failing.post("/things/items", content=b'{"name": "a"}', headers={"Content-Type": content_type})
    assert answer.status_code == 201


@pytest.mark.parametrize("surface", PREFIXES)
def test_too_large_bodies_are_rejected_by_their_announced_length(failing: httpx.Client, surface: str) -> None:
    answer = failing.post(
        f"{PREFIXES[surface]}/items", json={"name": "a" * 1_100_000}, headers={"Origin": ORIGIN}
    )
    assert answer.status_code == 413
    assert code_of(answer, surface) == "PAYLOAD_TOO_LARGE"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert failing.post(f"{PREFIXES[surface]}/items", json={"name": "a"}).status_code == 201


@pytest.mark.parametrize("surface", PREFIXES)
def test_too_large_bodies_are_rejected_while_they_are_read(failing: httpx.Client, surface: str) -> None:
    chunks = (b" " * 50_000 for _ in range(30))
    answer = failing.post(
        f"{PREFIXES[surface]}/items", content=chunks, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert code_of(answer, surface) == "PAYLOAD_TOO_LARGE"


def test_a_body_of_exactly_the_limit_is_read(failing: httpx.Client) -> None:
    body = b'{"name": "a"' + b" " * (1024 * 1024 - 13) + b"}"
    answer = failing.post("/things/items", content=body, headers={"Content-Type": "application/json"})
    assert len(body) == 1024 * 1024
    assert answer.status_code == 201


def test_bugs_do_not_close_the_connection(failing_url: str) -> None:
    with httpx.Client(base_url=failing_url, limits=httpx.Limits(max_connections=1)) as client:
        streams = set()
        for number in range(50):
            answer = client.get("/things/fails/crash", headers={"X-Request-ID": f"bug-{number}"})
            assert answer.status_code == 500
            assert answer.json()["request_id"] == f"bug-{number}"
            assert "connection" not in answer.headers
            streams.add(answer.extensions["network_stream"].get_extra_info("socket").getsockname())
        assert len(streams) == 1


def test_a_bug_during_a_response_truncates_it_detectably(failing: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        failing.get("/things/breaks-off")
    assert failing.get("/things/items").status_code == 200


@pytest.mark.parametrize("sent", ["a", "4bf92f3577b34da6", "web:1.2_3-4", "x" * 64])
def test_a_sane_request_id_is_kept(failing: httpx.Client, sent: str) -> None:
    answer = failing.get("/things/items", headers={"X-Request-ID": sent})
    assert answer.headers.get_list("x-request-id") == [sent]


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "a\tb", "<script>", 'a"b', "ы".encode()])
def test_another_request_id_is_replaced(failing: httpx.Client, sent: str | bytes) -> None:
    answer = failing.get(
        "/things/items", headers={b"X-Request-ID": sent if isinstance(sent, bytes) else sent.encode()}
    )
    assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])


def test_request_ids_are_unique(failing: httpx.Client) -> None:
    ids = {failing.get("/things/items").headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


def test_head_is_get_without_the_body(failing: httpx.Client) -> None:
    got, asked = failing.get("/things/items?limit=7"), failing.head("/things/items?limit=7")
    assert asked.status_code == got.status_code == 200
    assert asked.content == b""
    assert asked.headers["content-length"] == str(len(got.content))
    assert failing.head("/things/fails/missing").status_code == 404
    assert failing.head("/things/fails/crash").status_code == 500
    assert failing.head("/things/items?limit=0").status_code == 422
    assert failing.get("/things/items").json() == {"limit": 20}


def test_unknown_origins_are_not_allowed(failing: httpx.Client) -> None:
    answer = failing.get("/things/items", headers={"Origin": "https://evil.example.org"})
    assert "access-control-allow-origin" not in answer.headers
    assert "Origin" in answer.headers["vary"]
    assert "Origin" in failing.get("/things/items").headers["vary"]


@pytest.mark.parametrize(("origin", "status"), [(ORIGIN, 200), ("https://evil.example.org", 400)])
def test_preflights(failing: httpx.Client, origin: str, status: int) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    answer = failing.options("/things/items", headers=asked)
    assert answer.status_code == status
    assert answer.headers.get("access-control-allow-origin") == (ORIGIN if status == 200 else None)
    assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])


def test_headers_that_pages_need_are_exposed(failing: httpx.Client) -> None:
    exposed = failing.get("/things/items", headers={"Origin": ORIGIN}).headers[
        "access-control-expose-headers"
    ]
    assert {"X-Total-Count", "Link", "ETag", "X-Request-ID", "Retry-After"} <= set(exposed.split(", "))
