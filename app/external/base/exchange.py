"""One HTTP exchange: a deadline that abandons instead of cancelling, and a bounded, validated body."""

import asyncio
import json
import math
import re
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, NoneType
from typing import Any, NoReturn

import httpx

from app.errors import AppError
from app.external.base.faults import (
    UpstreamFault,
    connection_lost,
    invalid_response,
    of_status,
    out_of_time,
    unreachable,
)
from app.external.base.policy import Policy

_MAYBE_UNCLEAN = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNCLEAN = re.compile("[\x00\ud800-\udfff]")
_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json\b", re.IGNORECASE)

_GOOD = frozenset({200, 201, 202, 204})

Query = Mapping[str, str | int]
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes


@cache
def _trust() -> ssl.SSLContext:
    """Loading the certificate authorities takes long, so all upstreams share one context."""
    return httpx.create_ssl_context()


class HttpExchange:
    """HTTP with one upstream; every failure is an :class:`UpstreamFault`, never an exception of httpx.

    In httpx 0.28 a call that is cancelled, or that times out while it waits for a connection, can leave the
    connection pool unusable. So each call is a separate task that is never cancelled: a caller that runs out
    of time abandons it, and it ends soon by its own timeouts. A semaphore replaces the wait for the pool.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        on_headers: Callable[[Mapping[str, str]], None] = lambda _: None,
    ) -> None:
        """``on_headers`` is called with the headers of every response; their names are in lower case."""
        self._policy = policy
        self._on_headers = on_headers
        self._exchanges: set[asyncio.Task[_Answer]] = set()
        self._free = asyncio.Semaphore(policy.connections)
        self._http = httpx.AsyncClient(
            transport=transport,
            verify=_trust(),
            follow_redirects=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=5),
            headers={"User-Agent": "AniSync", "Accept": "application/json", "Accept-Encoding": "gzip"},
        )

    async def ask(
        self,
        url: str,
        query: Query,
        seconds: float,
        body: Body | None = None,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        shapes: tuple[type, ...] = (dict,),
    ) -> Any:
        """GET the JSON at ``url``, or POST ``body`` as JSON to it.

        ``shapes`` are the accepted types of the response; with ``NoneType`` it may be empty. Raises
        :class:`UpstreamFault`, after ``seconds`` at the latest.
        """
        ends = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(ends):
                await self._free.acquire()
        except TimeoutError:
            raise out_of_time(self._policy.name, self._policy.title) from None
        exchange = asyncio.create_task(self._exchange(url, query, ends, body, headers))
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._finish)
        done, _ = await asyncio.wait({exchange}, timeout=ends - asyncio.get_running_loop().time())
        if not done:
            raise out_of_time(self._policy.name, self._policy.title)
        answer = exchange.result()
        self._on_headers(answer.headers)
        return self._read(answer, shapes)

    async def close(self) -> None:
        """Cancel abandoned calls and close all connections."""
        for exchange in self._exchanges:
            exchange.cancel()
        await asyncio.gather(*self._exchanges, return_exceptions=True)
        await self._http.aclose()

    def _finish(self, exchange: "asyncio.Task[_Answer]") -> None:
        self._free.release()
        self._exchanges.discard(exchange)
        if not exchange.cancelled():
            exchange.exception()  # mark as retrieved: there may be no caller left

    async def _exchange(
        self, url: str, query: Query, ends: float, body: Body | None, headers: Mapping[str, str]
    ) -> _Answer:
        name, title = self._policy.name, self._policy.title
        seconds = max(0.01, ends - asyncio.get_running_loop().time())
        try:
            async with self._http.stream(
                "GET" if body is None else "POST",
                url,
                params=dict(query),
                json=body,
                headers=dict(headers),
                timeout=seconds,
            ) as response:
                return _Answer(
                    response.status_code,
                    response.headers.get("content-type", ""),
                    response.headers,
                    await self._body(response, ends),
                )
        except httpx.TimeoutException as error:
            raise out_of_time(name, title) from error
        except httpx.ConnectError as error:
            raise unreachable(name, title) from error
        except (httpx.HTTPError, OSError) as error:
            raise connection_lost(name, title) from error

    async def _body(self, response: httpx.Response, ends: float) -> bytes:
        loop, body = asyncio.get_running_loop(), bytearray()
        async for part in self._parts(response):
            body += part
            if len(body) > self._policy.size_limit:
                raise self._invalid_response("a body that is too large")
            if loop.time() > ends:
                raise out_of_time(self._policy.name, self._policy.title)
        return bytes(body)

    async def _parts(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The body, decompressed in bounded steps so that a zip bomb cannot exceed the limit."""
        if response.is_stream_consumed:  # a mock transport delivers the body at once
            yield response.content
            return
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding in {"identity", ""}:
            async for part in response.aiter_raw():
                yield part
            return
        if encoding not in {"gzip", "x-gzip"}:
            raise self._invalid_response("an encoding that was not requested")
        unpacker = zlib.decompressobj(wbits=31)
        try:
            async for part in response.aiter_raw():
                yield unpacker.decompress(part, self._policy.size_limit + 1)
        except zlib.error as error:
            raise self._invalid_response("a body that cannot be decompressed") from error
        if not unpacker.eof:
            raise connection_lost(self._policy.name, self._policy.title)

    def _read(self, answer: _Answer, shapes: tuple[type, ...]) -> Any:
        if answer.status not in _GOOD:
            asked = answer.headers.get("retry-after")
            explained = self._explained(answer)
            raise of_status(self._policy.name, self._policy.title, answer.status, asked, explained=explained)
        if not answer.body and NoneType in shapes:
            return None
        if answer.content_type and not _JSON_TYPE.match(answer.content_type.strip()):
            raise self._invalid_response("something other than JSON")
        try:
            value: Any = json.loads(answer.body.decode("utf-8"), parse_constant=_reject, parse_float=_finite)
        except (ValueError, RecursionError) as error:
            raise self._invalid_response("invalid JSON") from error
        if not isinstance(value, shapes):
            raise self._invalid_response("JSON of an unexpected type")
        return _cleaned(value) if _MAYBE_UNCLEAN.search(answer.body) else value

    def _explained(self, answer: _Answer) -> AppError | None:
        """The failure that the upstream's error body describes, if any."""
        if self._policy.explain is None or not 400 <= answer.status < 500:
            return None
        try:
            body = json.loads(answer.body)
        except (ValueError, RecursionError):
            body = None
        return self._policy.explain(answer.status, body)

    def _invalid_response(self, why: str) -> UpstreamFault:
        return invalid_response(self._policy.name, self._policy.title, why)


def _reject(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number that is too large")
    return number


def _cleaned(value: Any) -> Any:
    """The value without NUL and lone surrogates, which neither PostgreSQL nor UTF-8 can represent."""
    if isinstance(value, str):
        return _UNCLEAN.sub("", value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {_UNCLEAN.sub("", key): _cleaned(item) for key, item in value.items()}
    return value
