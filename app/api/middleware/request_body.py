"""Request bodies: announced length, size limit, and the unread rest of a body."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import PayloadTooLarge

_DIGITS = 18  # digits of a length; a longer number is too large even if truncated to these
_SMALL = 64 * 1024  # bytes; reading the rest of a small body is cheaper than a new connection
_DRAINED = 256 * 1024  # bytes to read from a client that does not stop sending
_LINGER = 2.0  # seconds that such a client has to read its response


def announced_length(scope: Scope) -> int:
    """The ``Content-Length`` in bytes; 0 if it is missing."""
    length = _header(scope, b"content-length")[:_DIGITS]
    return int(length) if length.isdigit() else 0


def is_multipart(scope: Scope) -> bool:
    """Whether the content type is ``multipart/form-data``."""
    return _header(scope, b"content-type")[:20].lower().startswith(b"multipart/form-data")


def bounded(receive: Receive, limit: int) -> Receive:
    """Wrap ``receive`` so that it fails with 413 after ``limit`` bytes of the body."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(PayloadTooLarge.status)  # body parsers pass no other exception through
        return message

    return receive_bounded


class LingeringClose:
    """Closes the connection after a response that was sent before the whole body was read.

    Otherwise the server would read the rest, however large. The connection is closed only once the client has
    closed it, has sent everything, or after some seconds: closing a socket with unread data resets the
    connection, and a reset can destroy the response before the client has read it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _can_be_costly(scope):
            exchange = _Exchange(receive, send)
            await self._app(scope, exchange.receive, exchange.send)
        else:
            await self._app(scope, receive, send)


class _Exchange:
    """One request with a body, and its response."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._is_read = False
        self._lingers = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._is_read = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not self._is_read:
                headers = list(message.get("headers", ()))
                message = {**message, "headers": [*headers, (b"connection", b"close")]}
                # without Content-Length, the client sees the end of the response only after the last message
                self._lingers = any(name.lower() == b"content-length" for name, _ in headers)
        elif self._lingers and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _linger(self) -> None:
        """Read and discard until the client stops, limited in time and bytes."""
        taken = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while not self._is_read and taken < _DRAINED:
                    taken += len((await self.receive()).get("body", b""))
                if not self._is_read:
                    await asyncio.sleep(_LINGER)  # it is still sending; by now the response has reached it


def _can_be_costly(scope: Scope) -> bool:
    """Whether the body may be large, or the client sent ``Expect: 100-continue``."""
    waits = bool(_header(scope, b"expect") or _header(scope, b"transfer-encoding"))
    return waits or announced_length(scope) > _SMALL


def _header(scope: Scope, wanted: bytes) -> bytes:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return next((value for name, value in headers if name == wanted), b"")
