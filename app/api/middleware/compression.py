"""Compress responses according to ``Accept-Encoding``: stored ones once, streams chunk by chunk."""

import asyncio
import re
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import brotli
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers: TypeAlias = list[tuple[bytes, bytes]]
Encoding: TypeAlias = Literal["br", "gzip"]

_OVERHEAD = 1024  # bytes of a stored response besides its body
SMALLEST = 1024  # bytes; smaller bodies fit into one packet anyway
_INLINE = 32 * 1024  # bytes that take under a millisecond; larger bodies are compressed in a thread
_BROTLI_QUALITY = 4  # as fast as gzip at its default level, with a tenth smaller output
_GZIP_LEVEL = 6
_COMPRESSIBLE = re.compile(rb"text/|application/(?:[\w.-]+\+)?(?:json|xml|javascript)\b|image/svg\+xml\b")
_QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)
_NAMES = {"br": "br", "gzip": "gzip", "x-gzip": "gzip", "*": "*", "identity": "identity"}

BODY = "compressed_body"
"""The scope key under which an inner layer puts a stored :class:`Compressed`."""

_TAGGED = re.compile(rb'-(br|gzip)"')
_CONDITIONS = (b"if-none-match", b"if-match")
_CHANGES = frozenset({b"content-length", b"accept-ranges", b"etag"})  # differ from the plain body's
_UNCHANGED = frozenset({b"content-length", b"content-type"})  # not sent with a 304
_BARE = frozenset({204, 206, 304})  # statuses without a body, or with part of one


def is_compressible(content_type: bytes) -> bool:
    """Whether bodies of this media type benefit from compression; images and archives do not."""
    return _COMPRESSIBLE.match(content_type.strip().lower()) is not None


@lru_cache(maxsize=256)
def negotiate(accept_encoding: str) -> Encoding | None:
    """The encoding that an ``Accept-Encoding`` header prefers (RFC 9110, 12.5.3); None means uncompressed.

    At equal weights ``br`` wins. There is no 406: a client that excludes every encoding gets the plain body.
    """
    weights: dict[str, float] = {}
    for item in accept_encoding.split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        weight = _weight(parameters)
        if weight is not None and (name := _NAMES.get(coding.lower())):
            weights[name] = max(weight, weights.get(name, 0.0))
    others = weights.get("*", 0.0)
    best: Encoding = max(get_args(Encoding), key=lambda name: weights.get(name, others))
    weight = weights.get(best, others)
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else None


def _weight(parameters: list[str]) -> float | None:
    """The quality of an item; None if it is malformed, so that the item is ignored."""
    if not parameters:
        return 1.0
    match = _QUALITY.fullmatch(parameters[0])
    return float(match[1]) if match and len(parameters) == 1 else None


class Compressed:
    """A body with its compressed forms, each created on first use."""

    __slots__ = ("_forms", "_making", "plain")

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self._forms: dict[Encoding, bytes] = {}
        self._making: dict[Encoding, asyncio.Task[bytes]] = {}

    @property
    def stored_size(self) -> int:
        """The bytes that a stored response takes; its compressed forms take at most half of the body."""
        return len(self.plain) * 3 // 2 + _OVERHEAD

    async def form(self, encoding: Encoding) -> bytes:
        """The body in ``encoding``.

        A large one is compressed in a thread, once for all concurrent callers.
        """
        if form := self._forms.get(encoding):
            return form
        if len(self.plain) <= _INLINE:
            return self._forms.setdefault(encoding, _compress(self.plain, encoding))
        if encoding not in self._making:
            self._making[encoding] = asyncio.create_task(asyncio.to_thread(_compress, self.plain, encoding))
        # shielded, so that a cancelled request does not cancel the others that wait
        form = await asyncio.shield(self._making[encoding])
        self._making.pop(encoding, None)
        return self._forms.setdefault(encoding, form)


async def send_stored(
    scope: Scope, send: Send, body: Compressed, headers: Headers, *, is_known: bool
) -> None:
    """Send a complete response without the router: 304 if the client knows it, otherwise 200."""
    scope[BODY] = body
    if is_known:
        headers = [header for header in headers if header[0] not in _UNCHANGED]
    await send({"type": "http.response.start", "status": 304 if is_known else 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_known else body.plain})


class Stream:
    """Compresses a streamed body."""

    def __init__(self, encoding: Encoding) -> None:
        self._add, self._finish = _steps(encoding)

    async def feed(self, chunk: bytes, *, last: bool) -> bytes:
        """The compressed bytes available after ``chunk``, which may be none before the last."""
        if len(chunk) <= _INLINE:
            return self._feed(chunk, last)
        return await asyncio.to_thread(self._feed, chunk, last)

    def _feed(self, chunk: bytes, last: bool) -> bytes:
        made = self._add(chunk) if chunk else b""
        return made + self._finish() if last else made


def _steps(encoding: Encoding) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    """The functions that add bytes to a new compressed body and that finish it."""
    if encoding == "br":
        made = brotli.Compressor(quality=_BROTLI_QUALITY, mode=brotli.MODE_TEXT)
        return made.process, made.finish
    zipped = zlib.compressobj(_GZIP_LEVEL, wbits=16 + zlib.MAX_WBITS)  # 16 selects the gzip header
    return zipped.compress, zipped.flush


def _compress(body: bytes, encoding: Encoding) -> bytes:
    add, finish = _steps(encoding)
    return add(body) + finish()


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
