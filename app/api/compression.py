"""Compressed bodies: content negotiation and compression."""

import asyncio
import re
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import brotli

Encoding: TypeAlias = Literal["br", "gzip"]

SMALLEST = 1024  # bytes; smaller bodies fit into one packet anyway
_INLINE = 32 * 1024  # bytes that take under a millisecond; larger bodies are compressed in a thread
_BROTLI_QUALITY = 4  # as fast as gzip at its default level, with a tenth smaller output
_GZIP_LEVEL = 6
_COMPRESSIBLE = re.compile(rb"text/|application/(?:[\w.-]+\+)?(?:json|xml|javascript)\b|image/svg\+xml\b")
_QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)
_NAMES = {"br": "br", "gzip": "gzip", "x-gzip": "gzip", "*": "*", "identity": "identity"}


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
