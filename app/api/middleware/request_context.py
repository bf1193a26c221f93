"""Outermost middleware: request id, path normalisation, metrics, headers, and 500 for unhandled errors."""

import re
import time
from collections.abc import Iterable, Iterator, MutableMapping
from random import getrandbits
from typing import Any
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.routing import template_of
from app.api.surfaces import render
from app.logs import bind_contextvars, log, reset_contextvars
from app.utils.metrics import observe_request

Header = tuple[bytes, bytes]

_SECURITY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),
)
_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# Swagger UI sets inline styles, and loads images from data URLs.
_DOCS_POLICY = (
    b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"base-uri 'none'; frame-ancestors 'none'"
)
_AUTH = ("/auth/", "/api/auth/")
_NO_STORE = (b"cache-control", b"no-store")

_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_ALIAS = "/api/users"  # same as /users
_LONGEST_PATH = 500  # characters in the access log
_GONE = 499  # recorded if the client disconnected before the response; never sent


class RequestContext:
    """The outermost middleware; pure ASGI, so that context variables and disconnects work unchanged.

    It drops one trailing slash, so that each route has both spellings without a redirect, and the /api that
    some clients put before /users. HEAD is handled as GET, without the body.
    """

    def __init__(self, app: ASGIApp, *, access_log: bool = False) -> None:
        self._app = app
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        # A copy: the server still needs the original method for HEAD.
        asked = dict(scope)
        asked["state"] = {**scope.get("state", {}), "request_id": request_id}
        _respell(asked)
        answer = _Answer(send, asked, headless=scope["method"] == "HEAD")
        started = time.perf_counter()
        bound = bind_contextvars(request_id=request_id)  # a third of the cost of the context manager
        try:
            await self._app(asked, receive, answer)
        finally:
            seconds = time.perf_counter() - started
            _report(scope["method"], asked, answer.status or _GONE, seconds)
            if self._access_log:
                _log_access(scope, asked, answer.status or _GONE, seconds)
            reset_contextvars(**bound)


class CrashHandler:
    """Turns an unhandled exception into a 500 and keeps the connection open.

    It runs inside the CORS middleware, so that pages of other origins can read these responses too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return  # it left while sending its body: nobody is waiting for a response
        except Exception as error:
            log.error("request.crashed", method=scope["method"], path=scope["path"], exc_info=error)
            if started:
                raise
            await render(Request(scope), error)(scope, receive, send)


class _Answer:
    """Forwards messages and adds the common headers to the first one.

    That includes ``answer_headers`` in the request's state at that time, for failures too.
    """

    def __init__(self, send: Send, scope: Scope, *, headless: bool) -> None:
        self._send = send
        self._scope = scope
        self._headless = headless
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = list(message.get("headers", ()))
            message = {**message, "headers": [*given, *self._headers(given)]}
        elif self._headless and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    def _headers(self, given: Iterable[Header]) -> Iterator[Header]:
        state = self._scope["state"]
        yield b"x-request-id", state["request_id"].encode()
        signed = bool(_header(self._scope, b"authorization"))
        yield from _security_headers(self._scope["path"], given, signed=signed)
        for name, value in state.get("answer_headers", {}).items():
            yield name.lower().encode(), value.encode()


def _request_id(scope: Scope) -> str:
    sent = _header(scope, b"x-request-id")
    return sent.decode() if _SANE_ID.fullmatch(sent) else f"{getrandbits(128):032x}"


def _header(scope: Scope, wanted: bytes) -> bytes:
    for name, value in scope["headers"]:
        if name == wanted:
            return bytes(value)
    return b""


def _respell(scope: MutableMapping[str, Any]) -> None:
    path: str = scope["path"]
    if len(path) > 1 and path.endswith("/"):
        scope["path"] = path = path[:-1]
    if path == _ALIAS or path.startswith(f"{_ALIAS}/"):
        scope["path"] = path.removeprefix("/api")
    if scope["method"] == "HEAD":
        scope["method"] = "GET"
    if not scope["query_string"].isascii():  # bytes that the client should have percent-encoded
        scope["query_string"] = quote(scope["query_string"], safe="%&=+/?:@!$'()*,;~").encode()


def _report(method: str, scope: Scope, status: int, seconds: float) -> None:
    endpoint = template_of(scope) or "unmatched"
    observe_request(method, endpoint, status, seconds)
    if status >= 500:
        log.warning(
            "request.failed", method=method, endpoint=endpoint, status=status, seconds=round(seconds, 3)
        )


def _log_access(sent: Scope, asked: Scope, status: int, seconds: float) -> None:
    """Log one line per request, without the query or a token in the path, which may be secret."""
    template = template_of(asked)
    path = template if template and "{token}" in template else sent["path"]
    client = sent.get("client")
    log.info(
        "request.answered",
        method=sent["method"],
        path=path[:_LONGEST_PATH],
        status=status,
        milliseconds=round(1000 * seconds, 1),
        address=client[0] if client else None,
    )


def _security_headers(path: str, given: Iterable[Header], *, signed: bool) -> Iterator[Header]:
    """The headers to add to ``given``; ``signed`` means that the request had credentials."""
    names = {name.lower() for name, _ in given}
    yield from _SECURITY
    if b"content-security-policy" not in names:
        yield b"content-security-policy", _DOCS_POLICY if path.startswith("/docs") else _POLICY
    if b"cache-control" not in names and (signed or path.startswith(_AUTH)):
        yield _NO_STORE
