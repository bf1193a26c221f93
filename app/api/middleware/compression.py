"""Compress responses according to ``Accept-Encoding``: stored ones once, streams chunk by chunk."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.compression import SMALLEST, Compressed, Encoding, Stream, is_compressible, negotiate

Headers = list[tuple[bytes, bytes]]

BODY = "compressed_body"
"""The scope key under which an inner layer puts a stored :class:`Compressed`."""

_TAGGED = re.compile(rb'-(br|gzip)"')
_CONDITIONS = (b"if-none-match", b"if-match")
_CHANGES = frozenset({b"content-length", b"accept-ranges", b"etag"})  # differ from the plain body's
_BARE = frozenset({204, 206, 304})  # statuses without a body, or with part of one


class Compression:
    """Compresses text bodies of at least 1 kB.

    A strong ``ETag`` identifies bytes, so that of a compressed body gets the encoding as a suffix. The suffix
    is removed from conditions: from ``If-None-Match`` if the response would have the same encoding, and
    always from ``If-Match``, which is about the version and not about the encoding.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        accepted, is_conditional, is_range = [], False, False
        for name, value in scope["headers"]:
            if name == b"accept-encoding":
                accepted.append(value.decode("latin-1"))
            elif name in _CONDITIONS:
                is_conditional = is_conditional or _TAGGED.search(value) is not None
            elif name == b"range":
                is_range = True
        encoding = negotiate(",".join(accepted)) if accepted and not is_range else None
        if is_conditional:
            scope["headers"] = [_bare_condition(name, value, encoding) for name, value in scope["headers"]]
        await self._app(scope, receive, _Answer(scope, send, encoding, is_conditional))


def _bare_condition(name: bytes, value: bytes, encoding: Encoding | None) -> tuple[bytes, bytes]:
    if name == b"if-match":
        return name, _TAGGED.sub(b'"', value)
    if name == b"if-none-match" and encoding is not None:
        return name, value.replace(f'-{encoding}"'.encode(), b'"')
    return name, value


class _Answer:
    """Sends one response.

    Its start is held back until the first chunk of the body shows whether there are more.
    """

    def __init__(self, scope: Scope, send: Send, encoding: Encoding | None, is_conditional: bool) -> None:
        self._scope = scope
        self._send = send
        self._encoding = encoding
        self._is_conditional = is_conditional
        self._start: Message | None = None
        self._stream: Stream | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self._may_compress(message):
                self._start = message
                return
            message = self._untouched(message)
        elif self._start is not None:
            await self._begin(self._start, message)
            return
        elif self._stream is not None:
            await self._go_on(self._stream, message)
            return
        await self._send(message)

    def _may_compress(self, start: Message) -> bool:
        if start["status"] in _BARE:
            return False
        headers = dict(start.get("headers", ()))
        return (
            is_compressible(headers.get(b"content-type", b""))
            and b"content-encoding" not in headers
            and b"no-transform" not in headers.get(b"cache-control", b"")
        )

    def _untouched(self, start: Message) -> Message:
        """Pass on an uncompressed response; a 304 gets the ETag that the 200 would have now.

        Whether that one is compressed follows from the length of a stored body, otherwise from the ETag sent
        by the client.
        """
        if start["status"] != 304:
            return start
        kept: Compressed | None = self._scope.get(BODY)
        is_compressed = self._is_conditional if kept is None else len(kept.plain) >= SMALLEST
        return {**start, "headers": _headers(start, self._encoding if is_compressed else None)}

    async def _begin(self, start: Message, first: Message) -> None:
        self._start = None
        body, more = first.get("body", b""), first.get("more_body", False)
        if not more and len(body) < SMALLEST:
            await self._send(start)
            await self._send(first)
        elif self._encoding is None:
            await self._send({**start, "headers": _headers(start)})
            await self._send(first)
        elif more:
            self._stream = Stream(self._encoding)
            headers = _headers(start, self._encoding)
            await self._send({**start, "headers": [*headers, _content_encoding(self._encoding)]})
            await self._go_on(self._stream, first)
        else:
            packed = await self._compressed(body).form(self._encoding)
            length = (b"content-length", str(len(packed)).encode())
            headers = [*_headers(start, self._encoding), _content_encoding(self._encoding), length]
            await self._send({**start, "headers": headers})
            await self._send({**first, "body": packed})

    def _compressed(self, body: bytes) -> Compressed:
        kept: Compressed | None = self._scope.get(BODY)
        return kept if kept is not None and kept.plain is body else Compressed(body)

    async def _go_on(self, stream: Stream, message: Message) -> None:
        more = message.get("more_body", False)
        chunk = await stream.feed(message.get("body", b""), last=not more)
        if chunk or not more:
            await self._send({**message, "body": chunk})


def _headers(start: Message, encoding: Encoding | None = None) -> Headers:
    """The headers of ``start``, adapted to ``encoding``, with ``Vary``."""
    headers: Headers = []
    varies = b"Accept-Encoding"
    for name, value in start.get("headers", ()):
        lower = name.lower()
        if lower == b"vary":
            varies = value + b", " + varies
        elif encoding is None or lower not in _CHANGES:
            headers.append((name, value))
        elif lower == b"etag":
            headers.append((name, value.removesuffix(b'"') + f'-{encoding}"'.encode()))
    headers.append((b"vary", varies))
    return headers


def _content_encoding(encoding: Encoding) -> tuple[bytes, bytes]:
    return b"content-encoding", encoding.encode()
