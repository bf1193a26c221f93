"""Every failure of every surface, over real sockets: its dialect, its headers, the connection that stays."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, cast

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from app import errors
from app.api.surfaces import SURFACES, surface_of
from app.config import Settings
from app.container import Container
from app.main import create_app
from app.utils.database import DatabaseUnavailable
from tests.fixtures.serving import exchange, served

ORIGIN = "https://app.example.org"
PREFIXES = {
    "core": "/things",
    "anilibria": "/api/anilibria/v2",
    "tracker": "/api/library",
    "hianime": "/api/episode",
    "internal": "/internal",
}
SECRET = "the password is swordfish"
REQUEST_ID = re.compile(r"[0-9a-f]{32}")


class Thing(BaseModel):
    model_config = ConfigDict(strict=True)

    name: Annotated[str, Field(max_length=100)]
    score: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    parts: list[Any] = []


class Choice(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 20


router = APIRouter()

FAILURES: dict[str, Callable[[], Exception]] = {
    "unauthenticated": errors.Unauthenticated,
    "forbidden": errors.Forbidden,
    "missing": errors.NotFound,
    "conflict": lambda: errors.Conflict(details={"id": 7}),
    "stale": errors.PreconditionFailed,
    "limited": lambda: errors.RateLimited(retry_after=6.2),
    "upstream": errors.UpstreamError,
    "unavailable": lambda: errors.UpstreamUnavailable(retry_after=30),
    "disabled": errors.UpstreamDisabled,
    "slow": errors.UpstreamTimeout,
    "database": lambda: DatabaseUnavailable(SECRET),
    "crash": lambda: RuntimeError(SECRET),
}
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
    "crash": (500, "INTERNAL_ERROR"),
}


@router.get("/fails/{how}")
async def fail(how: str) -> None:
    raise FAILURES[how]()


@router.get("/items")
async def read_items(choice: Annotated[Choice, Query()]) -> Choice:
    return choice


@router.post("/items", status_code=201)
async def add_item(thing: Thing) -> Thing:
    return thing


@router.delete("/items", status_code=204)
async def remove_items() -> None:
    return None


@router.get("/breaks-off")
async def break_off() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"a part"
        raise RuntimeError(SECRET)

    return StreamingResponse(parts())


@pytest.fixture(scope="module")
def application() -> FastAPI:
    settings = Settings(_env_file=None, allowed_origins=[ORIGIN])
    app = create_app(settings, container=cast(Container, object()))
    for prefix in PREFIXES.values():
        app.include_router(router, prefix=prefix)
    return app


@pytest.fixture(scope="module")
def base_url(application: FastAPI) -> Iterator[str]:
    with served(application) as base_url:
        yield base_url


@pytest.fixture
def client(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=10) as client:
        yield client


def code_of(answer: httpx.Response, surface: str) -> str:
    """The code in the body, once everything else of the answer has been checked to be of that surface."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert SECRET not in answer.text
    if surface == "anilibria":
        assert set(body) == {"success", "error", "timestamp", "request_id"}
        assert body["success"] is False
        assert body["timestamp"].endswith("Z")
        failure = body["error"]
        assert set(failure) == {"code", "message", "details"}
        assert re.search("[а-я]", failure["message"])
        return str(failure["code"])
    core = {"code", "message", "details", "request_id"}
    assert set(body) == (core | {"detail"} if surface == "tracker" else core)
    assert body.get("detail", body["message"]) == body["message"]
    return str(body["code"])


def test_every_surface_is_tried_here() -> None:
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
def test_failures_speak_the_dialect_of_their_surface(client: httpx.Client, surface: str, how: str) -> None:
    answer = client.get(f"{PREFIXES[surface]}/fails/{how}", headers={"Origin": ORIGIN})
    status, code = EXPECTED[how]
    assert answer.status_code == status
    assert code_of(answer, surface) == code
    assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("surface", PREFIXES)
def test_unknown_paths_speak_it_too(client: httpx.Client, surface: str) -> None:
    answer = client.get(f"{PREFIXES[surface]}/nowhere", headers={"Origin": ORIGIN})
    assert answer.status_code == 404
    assert code_of(answer, surface) == "NOT_FOUND"
    assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("surface", PREFIXES)
def test_wrong_methods_name_the_right_ones(client: httpx.Client, surface: str, method: str) -> None:
    answer = client.request(method, f"{PREFIXES[surface]}/items")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD, POST"
    assert code_of(answer, surface) == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("surface", PREFIXES)
def test_invalid_fields_are_named(client: httpx.Client, surface: str) -> None:
    status = 400 if surface == "anilibria" else 422
    answer = client.post(f"{PREFIXES[surface]}/items", json={"score": -1})
    assert answer.status_code == status
    assert code_of(answer, surface) == "VALIDATION_ERROR"
    body = answer.json()
    details = body["error"]["details"] if surface == "anilibria" else body["details"]
    assert set(details["fields"]) == {"name", "score"}
    assert client.get(f"{PREFIXES[surface]}/items?limit=0").status_code == status


def test_headers_of_the_failure_are_sent(client: httpx.Client) -> None:
    assert client.get("/things/fails/unauthenticated").headers["www-authenticate"] == "Bearer"
    assert client.get("/things/fails/limited").headers["retry-after"] == "7"
    assert client.get("/things/fails/unavailable").headers["retry-after"] == "30"
    assert client.get("/things/fails/database").headers["retry-after"] == "1"
    assert client.get("/things/fails/conflict").json()["details"] == {"id": 7}


UNREADABLE = {
    "cut off": b'{"name": "a',
    "not JSON": b"<name>a</name>",
    "single quotes": b"{'name': 'a'}",
    "nothing but space": b"  ",
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "a lone surrogate": rb'{"name": "\ud800"}',
    "a lone surrogate as a key": rb'{"\udfff": 1}',
    "nested too deep": b"[" * 100_000 + b"]" * 100_000,
    "nested too deep in a field": b'{"name": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "not a number": b'{"name": "a", "score": NaN}',
    "infinity": b'{"name": "a", "score": -Infinity}',
    "beyond infinity": b'{"name": "a", "score": 1e400}',
    "5000 digits": b'{"name": "a", "score": ' + b"9" * 5000 + b"}",
    "a number as text": b'{"name": "a", "score": "7"}',
    "a truth as a number": b'{"name": "a", "score": true}',
    "a list": b'[{"name": "a"}]',
    "a list for a text": b'{"name": ["a"]}',
    "a prototype": b'{"__proto__": {"name": "a"}}',
    "null": b"null",
    "UTF-16 with a mark, cut off": '{"name": "a"'.encode("utf-16"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("surface", ["core", "anilibria", "tracker"])
def test_unreadable_bodies_are_refused(client: httpx.Client, surface: str, kind: str) -> None:
    answer = client.post(
        f"{PREFIXES[surface]}/items",
        content=UNREADABLE[kind],
        headers={"Content-Type": "application/json", "Origin": ORIGIN},
    )
    assert answer.status_code == (400 if surface == "anilibria" else 422)
    assert code_of(answer, surface) == "VALIDATION_ERROR"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert len(answer.content) < 2000


@pytest.mark.parametrize(
    "body", [b"\xef\xbb\xbf{}", b'{"name": "a", "name": "b"}', '{"name": "a"}'.encode("utf-16")]
)
def test_odd_but_readable_bodies_are_no_fault_of_ours(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/things/items", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {201, 422}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "multipart/form-data", "", "\xff", "json"]
)
@pytest.mark.parametrize("surface", PREFIXES)
def test_other_content_is_not_supported(client: httpx.Client, surface: str, content_type: str) -> None:
    headers = {"Content-Type": content_type.encode("latin-1")}
    answer = client.post(f"{PREFIXES[surface]}/items", content=b'{"name": "a"}', headers=headers)
    assert answer.status_code == 415
    assert code_of(answer, surface) == "UNSUPPORTED_MEDIA"


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/merge-patch+json"])
def test_json_by_other_names_is_read(client: httpx.Client, content_type: str) -> None:
    answer = client.post("/things/items", content=b'{"name": "a"}', headers={"Content-Type": content_type})
    assert answer.status_code == 201


@pytest.mark.parametrize("surface", PREFIXES)
def test_too_large_bodies_are_refused_as_announced(client: httpx.Client, surface: str) -> None:
    answer = client.post(
        f"{PREFIXES[surface]}/items", json={"name": "a" * 1_100_000}, headers={"Origin": ORIGIN}
    )
    assert answer.status_code == 413
    assert code_of(answer, surface) == "PAYLOAD_TOO_LARGE"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert client.post(f"{PREFIXES[surface]}/items", json={"name": "a"}).status_code == 201


@pytest.mark.parametrize("surface", PREFIXES)
def test_too_large_bodies_are_refused_as_they_come(client: httpx.Client, surface: str) -> None:
    chunks = (b" " * 50_000 for _ in range(30))
    answer = client.post(
        f"{PREFIXES[surface]}/items", content=chunks, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert code_of(answer, surface) == "PAYLOAD_TOO_LARGE"


def test_a_body_of_just_the_limit_is_read(client: httpx.Client) -> None:
    body = b'{"name": "a"' + b" " * (1024 * 1024 - 13) + b"}"
    answer = client.post("/things/items", content=body, headers={"Content-Type": "application/json"})
    assert len(body) == 1024 * 1024
    assert answer.status_code == 201


def test_bugs_keep_the_connection(base_url: str) -> None:
    with httpx.Client(base_url=base_url, limits=httpx.Limits(max_connections=1)) as client:
        streams = set()
        for number in range(50):
            answer = client.get("/things/fails/crash", headers={"X-Request-ID": f"bug-{number}"})
            assert answer.status_code == 500
            assert answer.json()["request_id"] == f"bug-{number}"
            assert "connection" not in answer.headers
            streams.add(answer.extensions["network_stream"].get_extra_info("socket").getsockname())
        assert len(streams) == 1


def test_a_bug_in_the_middle_of_an_answer_cannot_be_taken_for_its_end(client: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/things/breaks-off")
    assert client.get("/things/items").status_code == 200


@pytest.mark.parametrize("sent", ["a", "4bf92f3577b34da6", "web:1.2_3-4", "x" * 64])
def test_a_sane_request_id_is_kept(client: httpx.Client, sent: str) -> None:
    answer = client.get("/things/items", headers={"X-Request-ID": sent})
    assert answer.headers.get_list("x-request-id") == [sent]


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "a\tb", "<script>", 'a"b', "ы".encode()])
def test_another_request_id_is_replaced(client: httpx.Client, sent: str | bytes) -> None:
    answer = client.get(
        "/things/items", headers={b"X-Request-ID": sent if isinstance(sent, bytes) else sent.encode()}
    )
    assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])


def test_every_request_has_an_id_of_its_own(client: httpx.Client) -> None:
    ids = {client.get("/things/items").headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/things/items", 200),
        ("/things/items/", 200),
        ("/things/items//", 404),
        ("//things/items", 404),
        ("/things//items", 404),
        ("/things/items/?limit=5", 200),
        ("/things/items?limit=5/", 422),
        ("/things/%69tems", 200),
        ("/things%2Fitems", 200),
        ("/things/items%2F", 200),
        ("/things/../things/items", 404),
        ("/things/items%00", 404),
        ("/things/items%", 404),
        ("/things/items%zz", 404),
        ("/things/items%ff%fe", 404),
        ("/things/items%ed%a0%80", 404),
        ("/things/items?limit=%ff", 422),
        ("/things/items?limit=%", 422),
        ("/things/items?limit=%ed%a0%80", 422),
        ("/things/items?%00=1", 422),
        ("/things/items?limit=1&limit=2", 200),
        ("/things/items?" + "&".join(f"p{number}=1" for number in range(6000)), 422),
        ("/things/items?limit=" + "9" * 5000, 422),
        ("/things/items?limit=18446744073709551616", 422),
        ("/things/items?limit=%E2%80%AE5", 422),
        ("/things/items?limit=" + "a" * 60_000, 422),
    ],
)
def test_spellings_of_a_path(base_url: str, path: str, status: int) -> None:
    answer = exchange(base_url, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"x-request-id: " in head
    assert b"location" not in head
    assert len(body) < 5000
    json.loads(body)


RAW = {
    "a target beyond 64 KiB": b"GET /things/items?limit=" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n",
    "raw bytes in the query": b"GET /things/items?limit=\xff HTTP/1.1\r\nHost: a\r\n",
    "raw bytes in the path": b"GET /things/\xff HTTP/1.1\r\nHost: a\r\n",
    "an odd host": b"GET /things/items HTTP/1.1\r\nHost: [\r\n",
    "an odd host for a failure": b"GET /nowhere HTTP/1.1\r\nHost: [::1\r\n",
    "raw bytes as the host": b"GET /nowhere HTTP/1.1\r\nHost: \xff\xfe\r\n",
    "a port that is none": b"GET /things/fails/crash?a HTTP/1.1\r\nHost: a:99999999\r\n",
    "two hosts": b"GET /things/items HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
    "a host with a path": b"GET /nowhere HTTP/1.1\r\nHost: a/b?c\r\n",
    "an absolute target": b"GET http://b/things/items HTTP/1.1\r\nHost: a\r\n",
    "only an authority": b"GET http://b HTTP/1.1\r\nHost: a\r\n",
    "everything": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n",
    "a strange method": b"BREW /things/items HTTP/1.1\r\nHost: a\r\n",
    "an empty origin": b"GET /things/items HTTP/1.1\r\nHost: a\r\nOrigin: \r\n",
    "raw bytes as the origin": b"GET /things/items HTTP/1.1\r\nHost: a\r\nOrigin: \xff\r\n",
    "raw bytes as the request id": b"GET /things/items HTTP/1.1\r\nHost: a\r\nX-Request-ID: \xff\r\n",
    "two request ids": b"GET /things/items HTTP/1.1\r\nHost: a\r\nX-Request-ID: a\r\nX-Request-ID: b\r\n",
    "a length that is none": b"POST /things/items HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n",
    "a negative length": b"POST /things/items HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n",
    "a length beyond numbers": b"POST /things/items HTTP/1.1\r\nHost: a\r\nContent-Length: "
    + b"9" * 30
    + b"\r\n",
    "two lengths": b"POST /things/items HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n",
    "a body with GET": b"GET /things/items HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n",
    "an unsupported coding": b"POST /things/items HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: br\r\n",
    "a line feed in a header": b"GET /things/items HTTP/1.1\r\nHost: a\r\nX-Request-ID: a\nSet-Cookie: b\r\n",
    "10,000 headers": b"GET /things/items HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 10_000,
    "an upgrade to nothing we know": b"GET /things/items HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n",
    "a preflight for everything": b"OPTIONS /things/items HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example.org\r\n"
    b"Access-Control-Request-Method: \xff\r\nAccess-Control-Request-Headers: \xff\r\n",
}


@pytest.mark.parametrize("kind", RAW)
def test_hostile_bytes_are_never_our_fault(base_url: str, kind: str) -> None:
    answer = exchange(base_url, RAW[kind] + b"Connection: close\r\n\r\n{}")
    assert re.match(rb"HTTP/1\.1 (200|201|400|404|405|413|415|422|500) ", answer)
    crashes = kind == "a port that is none"
    assert answer.startswith(b"HTTP/1.1 500") is crashes
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"set-cookie" not in head
    assert b"server:" not in head


def test_head_is_get_without_the_body(client: httpx.Client) -> None:
    got, asked = client.get("/things/items?limit=7"), client.head("/things/items?limit=7")
    assert asked.status_code == got.status_code == 200
    assert asked.content == b""
    assert asked.headers["content-length"] == str(len(got.content))
    assert client.head("/things/fails/missing").status_code == 404
    assert client.head("/things/fails/crash").status_code == 500
    assert client.head("/things/items?limit=0").status_code == 422
    assert client.get("/things/items").json() == {"limit": 20}


def test_origins_we_do_not_know_get_no_permission(client: httpx.Client) -> None:
    answer = client.get("/things/items", headers={"Origin": "https://evil.example.org"})
    assert "access-control-allow-origin" not in answer.headers
    assert "Origin" in answer.headers["vary"]
    assert "Origin" in client.get("/things/items").headers["vary"]


@pytest.mark.parametrize(("origin", "status"), [(ORIGIN, 200), ("https://evil.example.org", 400)])
def test_preflights(client: httpx.Client, origin: str, status: int) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    answer = client.options("/things/items", headers=asked)
    assert answer.status_code == status
    assert answer.headers.get("access-control-allow-origin") == (ORIGIN if status == 200 else None)
    assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])


def test_headers_that_pages_need_are_exposed(client: httpx.Client) -> None:
    exposed = client.get("/things/items", headers={"Origin": ORIGIN}).headers["access-control-expose-headers"]
    assert {"X-Total-Count", "Link", "ETag", "X-Request-ID", "Retry-After"} <= set(exposed.split(", "))
