"""The response cache in front of the router: hot catalogue responses, and 304 by ``ETag``."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.conditional import is_known
from app.api.links import origin_of
from app.api.middleware.compression import Compressed, send_stored
from app.api.routing import context_of
from app.api.surfaces import render
from app.config import Settings
from app.utils.metrics import CACHE_REQUESTS

# Responses of these paths are the same for everyone. The second kind is never stored: each search must count
# towards its rate limit, and a watch order shows the caller's progress.
_KEPT = re.compile(r"/anime|/anime/\d{1,10}|/genres")
_CONDITIONAL = re.compile(r"/search/anime|/anime/\d{1,10}/(?:relations|watch-order)")
_PERSONAL = frozenset({401, 403, 429})
_SEARCH = frozenset({b"search", b"q"})

_LONGEST_QUERY = 1024  # bytes; longer queries are rarely repeated
_LARGEST = 1024 * 1024  # bytes per response

Key = tuple[str, str, bytes]
Headers = list[tuple[bytes, bytes]]

_HITS, _MISSES, _SHARED, _BYPASSED = (
    CACHE_REQUESTS.labels("answers", outcome) for outcome in ("hit", "miss", "shared", "bypass")
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete 200 response, and the route that produced it."""

    headers: Headers
    body: Compressed
    etag: str
    route: Any
    made_at: float


@dataclass(frozen=True, slots=True)
class SharedFailure:
    """A failure, shared with concurrent requests for the same URL; never stored."""

    error: Exception
    route: Any
    rendered: bool
    """False for a bug, whose response is made outside the router."""


Outcome: TypeAlias = Answer | SharedFailure | None
"""None: the response was sent already and cannot be shared."""


class AnswerStore:
    """Stores responses for a few seconds or until the catalogue changes; at most ``room`` bytes.

    A response whose handler started before the last change is not stored: it may be outdated.
    """

    def __init__(
        self,
        *,
        room: int = 32 * 1024 * 1024,
        seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.changes = 0
        self.flights: dict[Key, asyncio.Future[Outcome]] = {}
        self._room = room
        self._seconds = seconds
        self._answers: OrderedDict[Key, Answer] = OrderedDict()
        self._size = 0

    def forget(self, titles: Collection[int] | None = None) -> None:
        """Something has changed: drop stored responses, and do not store those being produced.

        With ``titles`` only their own pages are dropped; lists that contain them expire normally.
        """
        self.changes += 1
        if titles is None:
            self.flights = {}
            self._answers.clear()
            self._size = 0
            return
        paths = {f"/anime/{title}" for title in titles}
        self.flights = {key: flight for key, flight in self.flights.items() if key[1] not in paths}
        for key in [key for key in self._answers if key[1] in paths]:
            self._drop(key)

    def find(self, key: Key) -> Answer | None:
        answer = self._answers.get(key)
        if answer is None or self.clock() - answer.made_at >= self._seconds:
            return None
        self._answers.move_to_end(key)
        return answer

    def keep(self, key: Key, answer: Answer, *, begun_at: int) -> None:
        """Store a response; ``begun_at`` is the value of ``changes`` before it was produced."""
        if begun_at != self.changes or answer.body.stored_size > _LARGEST:
            return
        self._drop(key)
        self._answers[key] = answer
        self._size += answer.body.stored_size
        while self._size > self._room:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: Key) -> None:
        if old := self._answers.pop(key, None):
            self._size -= old.body.stored_size


class AnswerCache:
    """Middleware in front of the router; stores responses whose ``Cache-Control`` is ``public``.

    Concurrent requests for a URL share one execution, even one that fails. ``Cache-Control: no-cache`` from
    the client bypasses the cache. It is no level of ``app.utils.cache``: what it stores are whole responses
    with tag and compressed forms, limited by bytes, which never outlive a change of the catalogue.
    """

    def __init__(self, app: ASGIApp, store: AnswerStore, settings: Settings) -> None:
        self._app = app
        self._store = store
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _asked(scope, self._settings)
        if asked is None:
            await self._app(scope, receive, send)
            return
        answer = await self._answer(asked, scope, receive, send)
        if not isinstance(answer, Answer):
            return
        scope["route"] = answer.route
        known = bool(asked.if_none_match) and is_known(answer.etag, asked.if_none_match)
        await send_stored(scope, send, answer.body, answer.headers, is_known=known)

    async def _answer(self, asked: "_Asked", scope: Scope, receive: Receive, send: Send) -> Outcome:
        """The response to send; anything but an :class:`Answer` was sent already and cannot be shared."""
        if asked.bypass:
            _BYPASSED.inc()
            return await self._make(asked, scope, receive, send)
        if answer := self._store.find(asked.key):
            _HITS.inc()
            return answer
        while flight := self._store.flights.get(asked.key):
            await asyncio.wait({flight})
            if flight.cancelled():  # the client that was making it has disconnected; another takes over
                continue
            outcome = flight.result()
            if outcome is None:  # it depends on that caller alone
                break
            _SHARED.inc()
            return await _share(outcome, scope, receive, send)
        return await self._lead(asked, scope, receive, send)

    async def _lead(self, asked: "_Asked", scope: Scope, receive: Receive, send: Send) -> Outcome:
        """Produce the response for all concurrent requests."""
        _MISSES.inc()
        flights = self._store.flights
        flight: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        flights[asked.key] = flight
        try:
            outcome = await self._make(asked, scope, receive, send)
            flight.set_result(outcome)
        except Exception as error:
            flight.set_result(SharedFailure(error, _route_of(scope), rendered=False))
            raise
        finally:
            if flights.get(asked.key) is flight:
                del flights[asked.key]
            flight.cancel()  # no effect if the result is set
        return outcome

    async def _make(self, asked: "_Asked", scope: Scope, receive: Receive, send: Send) -> Outcome:
        begun_at = self._store.changes
        recorder = _Recorder(send)
        await self._app(scope, receive, recorder)
        answer = recorder.answer(scope, self._store.clock())
        if answer is None:
            return recorder.failed(scope)
        if asked.keep:
            self._store.keep(asked.key, answer, begun_at=begun_at)
        return answer


async def _share(outcome: Answer | SharedFailure, scope: Scope, receive: Receive, send: Send) -> Outcome:
    """The outcome of a concurrent request; a failure is rendered again with this request's id."""
    if isinstance(outcome, SharedFailure):
        scope["route"] = outcome.route
        if not outcome.rendered:
            raise outcome.error
        await render(Request(scope), outcome.error)(scope, receive, send)
    return outcome


@dataclass(slots=True)
class _Asked:
    """The parts of a request that the cache depends on."""

    key: Key
    if_none_match: str
    bypass: bool
    keep: bool


def _asked(scope: Scope, settings: Settings) -> _Asked | None:
    """None for requests that are never cached."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    path: str = scope["path"]
    kept = _KEPT.fullmatch(path) is not None
    if not kept and not _CONDITIONAL.fullmatch(path):
        return None
    if_none_match, directives = b"", b""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            if_none_match = if_none_match + b"," + value if if_none_match else value
        elif name == b"cache-control":
            directives += value.lower()
    query: bytes = scope["query_string"]
    kept = kept and len(query) <= _LONGEST_QUERY and not _is_search(query)
    keep = kept and b"no-store" not in directives
    bypass = not keep or b"no-cache" in directives or b"max-age=0" in directives
    # the origin is part of the key, since links to other pages contain it
    key = (origin_of(scope, settings), path, query)
    return _Asked(key, if_none_match.decode("latin-1"), bypass, keep)


def _is_search(query: bytes) -> bool:
    """Whether the query has a search parameter; names may be percent-encoded."""
    return any(unquote_to_bytes(part.partition(b"=")[0]) in _SEARCH for part in query.split(b"&"))


@dataclass(slots=True)
class _Recorder:
    """Buffers a public 200 until it is complete; passes everything else through."""

    send: Send
    status: int = 0
    start: Message | None = None
    etag: str = ""
    body: list[bytes] = field(default_factory=list)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        if message["type"] == "http.response.start" and self._is_public(message):
            self.start = message
        elif self.start is None:
            await self.send(message)
        else:
            self.body.append(message.get("body", b""))

    def _is_public(self, message: Message) -> bool:
        headers = dict(message["headers"])
        self.etag = headers.get(b"etag", b"").decode("latin-1")
        return (
            message["status"] == 200 and bool(self.etag) and b"public" in headers.get(b"cache-control", b"")
        )

    def answer(self, scope: Scope, now: float) -> Answer | None:
        if self.start is None:
            return None
        body = Compressed(b"".join(self.body))
        return Answer(list(self.start["headers"]), body, self.etag, _route_of(scope), now)

    def failed(self, scope: Scope) -> SharedFailure | None:
        """The failure that was sent, unless it depends on the caller."""
        error = scope.get("state", {}).get("failure")
        if error is None or self.status in _PERSONAL:
            return None
        return SharedFailure(error, _route_of(scope), rendered=True)


def _route_of(scope: Scope) -> Any:
    return context_of(scope) or scope.get("route")
