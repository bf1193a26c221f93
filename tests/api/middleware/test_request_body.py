"""Requests are rejected by their headers before the body is read."""

import re
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

import httpx
import pytest

from app.api.core.imports import LIST_FILE
from app.api.profile_form import AVATAR_FORM
from app.config import Settings
from app.container import Container
from app.main import create_app
from tests.fixtures.accounts import SignedIn, make_account
from tests.fixtures.routes import ROUTES
from tests.fixtures.serving import served

MB = 1024 * 1024
UPLOAD = 18 * MB
PIECE = b"x" * 16 * 1024


@pytest.fixture
def url(settings: Settings, database_url: str) -> Iterator[str]:
    with served(create_app(settings)) as url:
        yield url


@pytest.fixture
async def person(container: Container) -> SignedIn:
    return await make_account(container)


@dataclass
class Sender:
    """Sends a body in chunks, and stops at a response or the end of the connection."""

    url: str
    method: str = "POST"
    path: str = "/users/me/import"
    headers: dict[str, str] = field(default_factory=dict)
    size: int = UPLOAD
    pause: float = 0.005
    chunked: bool = False
    stops: bool = True
    sent: int = 0
    answer: bytes = b""

    def run(self) -> "Sender":
        host, _, port = self.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(self._head())
            self._send_body(connection)
            self._read_answer(connection)
        return self

    @property
    def status(self) -> int:
        found = re.match(rb"HTTP/1\.1 (\d{3}) ", self.answer)
        assert found, self.answer[:200]
        return int(found[1])

    def _head(self) -> bytes:
        length = {"Transfer-Encoding": "chunked"} if self.chunked else {"Content-Length": str(self.size)}
        always = {"Host": "x", "Content-Type": "multipart/form-data; boundary=b"}
        given = always | length | self.headers
        lines = [f"{name}: {value}" for name, value in given.items()]
        return "\r\n".join([f"{self.method} {self.path} HTTP/1.1", *lines, "", ""]).encode()

    def _send_body(self, connection: socket.socket) -> None:
        piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if self.chunked else PIECE
        while self.sent < self.size:
            if self.stops and select.select([connection], [], [], self.pause)[0]:
                return
            try:
                connection.sendall(piece)
            except OSError:
                return
            self.sent += len(PIECE)

    def _read_answer(self, connection: socket.socket) -> None:
        """Read to the end.

        A client with a complete ``close`` response disconnects without waiting for the server.
        """
        try:
            while not self._is_whole() and (part := connection.recv(65536)):
                self.answer += part
        except ConnectionResetError:
            pytest.fail("the connection was reset before the answer had arrived")

    def _is_whole(self) -> bool:
        head, _, body = self.answer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        return length is not None and len(body) == int(length[1])


PATHS = [
    ("POST", "/users/me/import"),
    ("POST", "/users/me/import?dry_run=true"),
    ("PATCH", "/users/me"),
    ("PATCH", "/api/users/me/"),
    ("POST", "/users/me/list/batch"),
    ("DELETE", "/users/me/list/1"),
    ("GET", "/users/me"),
]


@pytest.mark.parametrize("chunked", [False, True])
def test_unauthenticated_requests_are_rejected_before_the_body(url: str, chunked: bool) -> None:
    tokens: list[dict[str, str]] = [{}, {"Authorization": "Bearer nonsense"}]
    for (method, path), token, key in product(PATHS, tokens, ({}, {"Idempotency-Key": "k"})):
        sender = Sender(url, method, path, {**key, **token}, chunked=chunked).run()
        assert (sender.status, sender.sent < MB) == (401, True), (method, path)
        assert b'"AUTH_ERROR"' in sender.answer
        assert b"connection: close" in sender.answer


def test_missing_permissions_are_rejected_before_the_body(url: str, person: SignedIn) -> None:
    paths = (("POST", "/anime"), ("POST", "/users"), ("PATCH", "/users/1"))
    for (method, path), chunked in product(paths, (False, True)):
        sender = Sender(url, method, path, person.headers, chunked=chunked).run()
        assert (sender.status, sender.sent < MB) == (403, True), (method, path)


def test_a_too_large_content_length_is_rejected_before_the_body(url: str, person: SignedIn) -> None:
    for method, path, limit in (
        ("POST", "/users/me/import", LIST_FILE),
        ("PATCH", "/users/me", AVATAR_FORM),
        ("POST", "/users/me/list", MB),
        ("POST", "/auth/login", MB),
        ("POST", "/api/auth/token", MB),
    ):
        sender = Sender(url, method, path, person.headers, size=limit + 1).run()
        assert (sender.status, sender.sent < MB) == (413, True), (method, path)
        assert b'"PAYLOAD_TOO_LARGE"' in sender.answer


def test_a_chunked_body_is_read_up_to_the_limit(url: str, person: SignedIn) -> None:
    for method, path, kind in (
        ("POST", "/users/me/list", "application/json"),
        ("POST", "/api/auth/token", "application/x-www-form-urlencoded"),
        ("PATCH", "/users/me", "application/json"),
    ):
        headers = {**person.headers, "Content-Type": kind}
        sender = Sender(url, method, path, headers, chunked=True, pause=0).run()
        assert sender.status == 413
        assert MB <= sender.sent < 7 * MB  # the part in the kernel's buffer was not read


def test_unknown_paths_and_methods_read_no_body(url: str) -> None:
    for method, path, status in (
        ("POST", "/nowhere", 404),
        ("PUT", "/users/me/import", 405),
        ("POST", "/api/library/nowhere", 404),
    ):
        sender = Sender(url, method, path).run()
        assert (sender.status, sender.sent < MB) == (status, True)
        assert b"x-request-id: " in sender.answer


def test_a_client_that_keeps_sending_gets_its_response(url: str) -> None:
    started = time.monotonic()
    sender = Sender(url, stops=False, pause=0).run()
    assert sender.status == 401
    assert sender.sent < UPLOAD
    assert time.monotonic() - started < 15


def test_100_continue_is_sent_only_after_the_checks(url: str, person: SignedIn) -> None:
    expecting = {"Expect": "100-continue"}
    cases = [
        (expecting, UPLOAD, 401),
        ({**expecting, **person.headers}, LIST_FILE + 1, 413),
        ({**expecting, **person.headers}, 5, 100),
    ]
    for headers, size, status in cases:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(Sender(url, headers=headers, size=size)._head())
            assert connection.recv(65536).startswith(b"HTTP/1.1 %d " % status)


def test_a_small_body_left_unread_keeps_the_connection(url: str) -> None:
    with httpx.Client(base_url=url, timeout=10) as client:
        answers = [client.post("/users/me/list", json={"notes": "x" * 1000}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401] * 3
    assert all("connection" not in answer.headers for answer in answers)


def test_a_connection_with_an_unread_body_is_closed(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(Sender(url)._head())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 401 ")


def test_an_accepted_upload_arrives_complete(url: str, person: SignedIn) -> None:
    with httpx.Client(base_url=url, timeout=30, headers=person.headers) as client:
        answer = client.post("/users/me/import", files={"file": ("list.xml", b"x" * UPLOAD)})
    assert answer.status_code == 422, "it was read, and is no list"


async def test_every_route_rejects_the_same_way(url: str) -> None:
    protected = [route for route in ROUTES if route.access not in {"public", "service"}]
    for route in protected:
        sender = Sender(url, route.method, route.url(), pause=0.02).run()
        assert (sender.status, sender.sent < MB) == (401, True), route.name
