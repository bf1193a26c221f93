"""Hostile bytes over real sockets in path, query, headers and body cause no server error."""

import json
import re

import httpx
import pytest

from tests.fixtures.failing import ORIGIN, PREFIXES, code_of
from tests.fixtures.serving import exchange

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
def test_malformed_bodies_are_rejected(failing: httpx.Client, surface: str, kind: str) -> None:
    answer = failing.post(
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
def test_unusual_bodies_are_no_server_error(failing: httpx.Client, body: bytes) -> None:
    answer = failing.post("/things/items", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {201, 422}


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
        ("/things/items?limit=1&limit=2", 422),
        ("/things/items?" + "&".join(f"p{number}=1" for number in range(6000)), 422),
        ("/things/items?limit=" + "9" * 5000, 422),
        ("/things/items?limit=18446744073709551616", 422),
        ("/things/items?limit=%E2%80%AE5", 422),
        ("/things/items?limit=" + "a" * 60_000, 422),
    ],
)
def test_spellings_of_a_path(failing_url: str, path: str, status: int) -> None:
    answer = exchange(failing_url, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
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
    "a port that is none": b"GET /things/fails/crash HTTP/1.1\r\nHost: a:99999999\r\n",
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
def test_hostile_bytes_cause_no_server_error(failing_url: str, kind: str) -> None:
    answer = exchange(failing_url, RAW[kind] + b"Connection: close\r\n\r\n{}")
    assert re.match(rb"HTTP/1\.1 (200|201|400|404|405|413|415|422|500) ", answer)
    crashes = kind == "a port that is none"
    assert answer.startswith(b"HTTP/1.1 500") is crashes
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"set-cookie" not in head
    assert b"server:" not in head
