"""The body of a request as bytes on a connection: its announced length, its limit, what is left unread."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import PayloadTooLarge

_DIGITS = 18  # of a length; more would be too large with any of them missing
_SMALL = 64 * 1024  # bytes of an unread body that are cheaper to take than a new connection
_DRAINED = 256 * 1024  # bytes that are taken from a client that does not stop sending
_LINGER = 2.0  # seconds that such a client has to read its answer


def announced_length(scope: Scope) -> int:
    """How many bytes the body will have; 0 where that is not said."""
    length = _header(scope, b"content-length")[:_DIGITS]
    return int(length) if length.isdigit() else 0


def is_multipart(scope: Scope) -> bool:
    """Whether the body is said to be a form that may hold files."""
    return _header(scope, b"content-type")[:20].lower().startswith(b"multipart/form-data")


def bounded(receive: Receive, limit: int) -> Receive:
    """``receive``, which fails with 413 once the body has brought more than ``limit`` bytes."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(PayloadTooLarge.status)  # the one kind that passes through body parsers
        return message

    return receive_bounded


class LingeringClose:
    """Ends the connection after an answer that was given before the whole body was read.

    Without it the server would take the rest, however large. The connection is closed only when the client
    has closed it, has sent all, or after some seconds: closing it with unread data in it resets it, and
    a reset can destroy the answer on its way to the client.
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
    """One request with a body, and its answer."""

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
                # without its length an answer is complete only when the last message is sent
                self._lingers = any(name.lower() == b"content-length" for name, _ in headers)
        elif self._lingers and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _linger(self) -> None:
        """Wait until the client has stopped, for a limited time, taking a limited amount."""
        taken = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while not self._is_read and taken < _DRAINED:
                    taken += len((await self.receive()).get("body", b""))
                if not self._is_read:
                    await asyncio.sleep(_LINGER)  # it is still sending: its answer has arrived by then


def _can_be_costly(scope: Scope) -> bool:
    """Whether a body may follow that is not small, or that the client waits to be asked for."""
    waits = bool(_header(scope, b"expect") or _header(scope, b"transfer-encoding"))
    return waits or announced_length(scope) > _SMALL


def _header(scope: Scope, wanted: bytes) -> bytes:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return next((value for name, value in headers if name == wanted), b"")
