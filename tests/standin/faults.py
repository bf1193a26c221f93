"""Ways to misbehave: each writes one faulty response to a socket."""

import asyncio
import gzip
import itertools
import re
import socket
import struct
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from tests.standin.world import Reply

JSON = "application/json"
LIMITED = (
    b'{"status":"429","type":"RateLimitException","message":"You are being rate-limited. Please follow '
    b"Rate Limiting guidelines: "
    b'https:\\/\\/docs.api.jikan.moe\\/#section\\/Information\\/Rate-Limiting","error":null}'
)
_BODIES = {
    408: b'{"status":408,"type":"TimeoutException","message":"Request to MyAnimeList.net timed out"}',
    429: LIMITED,
    500: b'{"status":500,"type":"UpstreamException","message":"Request to MyAnimeList.net failed."}',
    503: b'{"status":503,"type":"ServiceUnavailableException","message":"Jikan is under maintenance."}',
    504: b'{"status":504,"type":"BadResponseException","message":"Jikan failed to connect."}',
}
_HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking</body></html>"
_REASONS = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}
_ids = itertools.count(1)


@dataclass
class Rule:
    """``mode`` for requests whose target matches ``match``, ``times`` times or until cleared."""

    mode: str
    match: str = ""
    times: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    id: int = field(default_factory=lambda: next(_ids))

    def takes(self, target: str) -> bool:
        if self.times == 0 or not re.search(self.match, target):
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Dropped(Exception):
    """The connection is unusable."""


async def write(writer: asyncio.StreamWriter, reply: Reply, content_type: str = JSON, **headers: str) -> None:
    await _send(writer, _head(reply, content_type, len(reply.body), headers) + reply.body)


def status_of(rule: Rule, reply: Reply) -> int | None:
    """The status to log; ``None`` if no complete response is sent."""
    if rule.mode == "status":
        return int(rule.options.get("status", 500))
    if rule.mode in {"hang", "close", "reset"}:
        return None
    return reply.status if rule.mode in {"slow", "drip", "truncated", "short_chunk"} else 200


async def misbehave(writer: asyncio.StreamWriter, rule: Rule, reply: Reply) -> None:
    await _MODES[rule.mode](writer, reply, rule.options)


async def _status(writer: asyncio.StreamWriter, _: Reply, options: dict[str, Any]) -> None:
    """``retry_after`` is sent unchanged; ``date:7`` becomes the HTTP date seven seconds from now."""
    status = int(options.get("status", 500))
    body = (
        str(options["body"]).encode() if "body" in options else _BODIES.get(status, b'{"status":%d}' % status)
    )
    headers = {str(name): str(value) for name, value in options.get("headers", {}).items()}
    wait = options.get("retry_after")
    if wait is not None:
        text = str(wait)
        if text.startswith("date:"):
            text = formatdate(time.time() + float(text.removeprefix("date:")), usegmt=True)
        headers["Retry-After"] = text
    await write(writer, Reply(status, body), str(options.get("content_type", JSON)), **headers)


async def _body(writer: asyncio.StreamWriter, _: Reply, options: dict[str, Any]) -> None:
    """200 with any body that is given."""
    await write(writer, Reply(200, str(options["body"]).encode()), str(options.get("content_type", JSON)))


async def _html(writer: asyncio.StreamWriter, _: Reply, options: dict[str, Any]) -> None:
    await write(writer, Reply(200, _HTML), str(options.get("content_type", "text/html; charset=utf-8")))


async def _garbage(writer: asyncio.StreamWriter, _: Reply, __: dict[str, Any]) -> None:
    await write(writer, Reply(200, b'{"data": {"mal_id": 1, "title": \xff\xfe'))


async def _nan(writer: asyncio.StreamWriter, _: Reply, __: dict[str, Any]) -> None:
    await write(writer, Reply(200, b'{"data": {"mal_id": 1, "title": "x", "score": NaN}}'))


async def _deep(writer: asyncio.StreamWriter, _: Reply, options: dict[str, Any]) -> None:
    depth = int(options.get("depth", 100_000))
    await write(writer, Reply(200, b'{"data":' + b"[" * depth + b"]" * depth + b"}"))


async def _hang(_: asyncio.StreamWriter, __: Reply, ___: dict[str, Any]) -> None:
    await asyncio.Event().wait()


async def _slow(writer: asyncio.StreamWriter, reply: Reply, options: dict[str, Any]) -> None:
    await asyncio.sleep(float(options.get("seconds", 1.0)))
    await write(writer, reply)


async def _drip(writer: asyncio.StreamWriter, reply: Reply, options: dict[str, Any]) -> None:
    """Headers at once, then a byte every ``interval`` seconds."""
    await _send(writer, _head(reply, JSON, len(reply.body), {}))
    for index in range(len(reply.body)):
        await asyncio.sleep(float(options.get("interval", 0.1)))
        await _send(writer, reply.body[index : index + 1])


async def _truncated(writer: asyncio.StreamWriter, reply: Reply, _: dict[str, Any]) -> None:
    await _send(writer, _head(reply, JSON, len(reply.body), {}) + reply.body[: len(reply.body) // 2])
    raise Dropped


async def _short_chunk(writer: asyncio.StreamWriter, reply: Reply, _: dict[str, Any]) -> None:
    """Chunked, and cut off before the last chunk."""
    half = reply.body[: len(reply.body) // 2]
    await _send(writer, _head(reply, JSON, None, {}) + b"%x\r\n%s\r\n" % (len(half), half))
    raise Dropped


async def _huge(writer: asyncio.StreamWriter, reply: Reply, options: dict[str, Any]) -> None:
    """Valid JSON of ``size`` bytes, its length not announced unless ``announce`` is set."""
    size, block = int(options.get("size", 50_000_000)), b"x" * 65_536
    announced = size + 13 if options.get("announce") else None
    await _send(writer, _head(reply, JSON, announced, {}))

    async def part(data: bytes) -> None:
        await _send(writer, data if announced else b"%x\r\n%s\r\n" % (len(data), data))

    await part(b'{"data": "')
    for _ in range(size // len(block)):
        await part(block)
    await part(block[: size % len(block)] + b'"} ')
    await (_send(writer, b"") if announced else _send(writer, b"0\r\n\r\n"))


async def _bomb(writer: asyncio.StreamWriter, _: Reply, options: dict[str, Any]) -> None:
    """A small gzip body that becomes ``size`` bytes."""
    packed = gzip.compress(b'{"data": "' + b"x" * int(options.get("size", 50_000_000)) + b'"}', 9)
    await write(writer, Reply(200, packed), **{"Content-Encoding": "gzip"})


async def _false_gzip(writer: asyncio.StreamWriter, reply: Reply, _: dict[str, Any]) -> None:
    await write(writer, reply, **{"Content-Encoding": "gzip"})


async def _close(_: asyncio.StreamWriter, __: Reply, ___: dict[str, Any]) -> None:
    raise Dropped


async def _reset(writer: asyncio.StreamWriter, _: Reply, __: dict[str, Any]) -> None:
    cut(writer)
    raise Dropped


def cut(writer: asyncio.StreamWriter) -> None:
    """End the connection with RST."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


Mode = Callable[[asyncio.StreamWriter, Reply, dict[str, Any]], Coroutine[Any, Any, None]]
_MODES: dict[str, Mode] = {
    "status": _status,
    "body": _body,
    "html": _html,
    "garbage": _garbage,
    "nan": _nan,
    "deep": _deep,
    "hang": _hang,
    "slow": _slow,
    "drip": _drip,
    "truncated": _truncated,
    "short_chunk": _short_chunk,
    "huge": _huge,
    "bomb": _bomb,
    "false_gzip": _false_gzip,
    "close": _close,
    "reset": _reset,
}
MODES = frozenset(_MODES)


def _head(reply: Reply, content_type: str, length: int | None, headers: dict[str, str]) -> bytes:
    lines = [
        f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Answer')}",
        f"Content-Type: {content_type}",
    ]
    lines.append(f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked")
    lines += [f"{name}: {value}" for name, value in (*reply.headers, *headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
