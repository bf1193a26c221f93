"""A call to an upstream: retry around circuit breaker around shared rate limit around HTTP."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from app.errors import AppError
from app.external.base.breaker import Breaker, BreakerOpen
from app.external.base.exchange import Body, HttpExchange, Query
from app.external.base.faults import UpstreamFault, not_sent
from app.external.base.policy import JOB, UPKEEP, USER, Deadline, Limiter, Policy
from app.logs import log
from app.utils.metrics import (
    UPSTREAM_BREAKER_OPEN,
    UPSTREAM_CALLS,
    UPSTREAM_REFUSALS,
    UPSTREAM_SECONDS,
    UPSTREAM_WAIT_SECONDS,
)
from app.utils.redis.rate_limit import LimitReached

_AWAY = "it cannot be reached"
_LONGEST_PAUSE = 20.0  # seconds between two attempts, unless the upstream sends Retry-After


@dataclass(frozen=True, slots=True)
class Request:
    """A GET, or a POST if there is a ``body``; ``path`` is relative to the base URL.

    ``shapes`` are the accepted types of the JSON response.
    """

    path: str
    query: Query
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    shapes: tuple[type, ...] = (dict,)


@dataclass(slots=True)
class _Host:
    """``is_unreachable``: the last call could not connect."""

    base_url: str
    breaker: Breaker
    is_unreachable: bool = False


class UpstreamClient:
    """Calls one upstream within the caller's deadline; every failure is an :class:`AppError`.

    ``base_url`` may be a comma-separated list of mirrors: each has its own circuit breaker, and they are
    tried in order, starting with the one that answered last.
    """

    def __init__(
        self,
        base_url: str,
        policy: Policy,
        *,
        limiter: Limiter,
        breaker: Callable[[], Breaker],
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_headers: Callable[[Mapping[str, str]], None] = lambda _: None,
    ) -> None:
        urls = [url.strip().rstrip("/") for url in base_url.split(",")]
        self._hosts = [_Host(url, breaker()) for url in urls]
        self._best = self._hosts[0]
        self._policy = policy
        self._limiter = limiter
        self._http = HttpExchange(policy, transport=transport, on_headers=on_headers)
        self._clock = clock
        self._sleep = sleep
        self._is_failing = False

    async def get(self, *parts: str | int, query: Query | None = None, deadline: Deadline) -> dict[str, Any]:
        """GET the JSON object under these path segments.

        Raises ``NotFound`` for 404, otherwise a subclass of ``UpstreamFailure``.
        """
        answer: dict[str, Any] = await self.ask(Request(path_of(parts), query or {}), deadline)
        return answer

    async def post(self, body: Body, *, deadline: Deadline) -> dict[str, Any]:
        """POST a query to the base URL; it is retried like :meth:`get`, so it must not change anything."""
        answer: dict[str, Any] = await self.ask(Request("", {}, body), deadline)
        return answer

    async def ask(self, request: Request, deadline: Deadline) -> Any:
        """Send any request and return its JSON; raises the errors of :meth:`get`."""
        ends_at = self._clock() + deadline.budget
        try:
            return await self._retrying(deadline, ends_at)(self._over_hosts, request, deadline, ends_at)
        except UpstreamFault as failure:
            raise self._reported(failure) from failure

    async def close(self) -> None:
        await self._http.close()

    async def _over_hosts(self, request: Request, deadline: Deadline, ends_at: float) -> Any:
        """Try the host that answered last, then the others; raises the fault of the last one tried."""
        hosts = [self._best, *(host for host in self._hosts if host is not self._best)]
        for left, host in zip(range(len(hosts), 0, -1), hosts, strict=True):
            try:
                # split the remaining time, so that a hanging host leaves some for the others
                host_ends_at = ends_at if left == 1 else self._clock() + (ends_at - self._clock()) / left
                answer = await self._through_breaker(host, request, deadline, host_ends_at)
            except UpstreamFault as failure:
                if left == 1 or not failure.of_host:
                    raise
            else:
                self._best = host
                self._is_failing = False
                return answer
        raise AssertionError("a client has at least one host")

    async def _through_breaker(
        self, host: _Host, request: Request, deadline: Deadline, ends_at: float
    ) -> Any:
        name, title = self._policy.name, self._policy.title
        try:
            ticket = host.breaker.admit()
        except BreakerOpen as open_:
            why = _AWAY if host.is_unreachable else "it kept failing"
            raise not_sent(name, title, open_.retry_after, outcome="breaker", why=why) from None
        up: bool | None = None
        try:
            answer = await self._through_limiter(host, request, deadline, ends_at)
            up, host.is_unreachable = True, False
        except UpstreamFault as failure:
            if failure.verdict != "unknown":
                host.is_unreachable = failure.outcome == "unreachable"
            up = {"up": True, "down": False, "unknown": None}[failure.verdict]
            raise
        finally:
            host.breaker.settle(ticket, up=up)
            UPSTREAM_BREAKER_OPEN.labels(name).set(all(host.breaker.is_open for host in self._hosts))
        return answer

    async def _through_limiter(
        self, host: _Host, request: Request, deadline: Deadline, ends_at: float
    ) -> Any:
        name, title = self._policy.name, self._policy.title
        max_wait = ends_at - self._clock() - (deadline.budget - deadline.queue_timeout)
        try:
            waited = await self._limiter.acquire(
                traffic=deadline.traffic, max_wait=max_wait, promoted=deadline.promoted
            )
        except LimitReached as limit:
            outcome, why = (
                ("ban", "it asked us to pause") if limit.banned else ("limit", "its rate limit is exhausted")
            )
            why = _AWAY if host.is_unreachable and not limit.banned else why
            raise not_sent(name, title, limit.retry_after, outcome=outcome, why=why) from None
        UPSTREAM_WAIT_SECONDS.labels(name, deadline.name).observe(waited)
        return await self._attempt(host, request, min(deadline.attempt, ends_at - self._clock()))

    async def _attempt(self, host: _Host, request: Request, seconds: float) -> Any:
        name, started, outcome = self._policy.name, time.perf_counter(), "cancelled"
        try:
            answer = await self._http.ask(
                host.base_url + request.path,
                request.query,
                seconds,
                request.body,
                headers=request.headers,
                shapes=request.shapes,
            )
            outcome = "ok"
        except UpstreamFault as failure:
            outcome = failure.outcome
            if failure.retry_after is not None:
                await self._limiter.ban(failure.retry_after)
            raise
        finally:
            UPSTREAM_CALLS.labels(name, outcome).inc()
            UPSTREAM_SECONDS.labels(name).observe(time.perf_counter() - started)
        return answer

    def _retrying(self, deadline: Deadline, ends_at: float) -> AsyncRetrying:
        def stop(state: RetryCallState) -> bool:
            too_late = self._clock() + state.upcoming_sleep >= ends_at
            return too_late or state.attempt_number >= deadline.attempts

        def pause(state: RetryCallState) -> float:
            failure = state.outcome.exception() if state.outcome else None
            if isinstance(failure, UpstreamFault) and failure.retry_after is not None:
                return failure.retry_after
            highest = min(_LONGEST_PAUSE, deadline.pause * 2 ** (state.attempt_number - 1))
            return random.uniform(0, highest)

        return AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, UpstreamFault) and error.retry),
            stop=stop,
            wait=pause,
            sleep=self._sleep,
            reraise=True,
        )

    def _reported(self, failure: UpstreamFault) -> AppError:
        """Count or log the failure, and return the error for the caller."""
        if failure.verdict == "unknown":
            UPSTREAM_REFUSALS.labels(self._policy.name, failure.outcome).inc()
        elif failure.verdict == "down":
            say = log.debug if self._is_failing else log.warning  # log once, until it answers again
            self._is_failing = True
            say("upstream.failed", upstream=self._policy.name, outcome=failure.outcome, why=str(failure))
        return failure.error


def path_of(parts: Sequence[str | int]) -> str:
    """The path of these segments, each quoted so that none can escape the base path."""
    segments = [quote(str(part), safe="") for part in parts]
    if any(segment in {"", ".", ".."} for segment in segments):
        raise ValueError(f"not a valid path below the base URL: {parts!r}")
    return "/".join(["", *segments])


class Client:
    """Base class of all upstream clients; a subclass defines its ``policy``."""

    policy: ClassVar[Policy]

    def __init__(
        self,
        base_url: str,
        *,
        limiter: Limiter,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._upstream = UpstreamClient(
            base_url,
            self.policy,
            limiter=limiter,
            breaker=lambda: Breaker(self.policy.name, clock=clock),
            transport=transport,
            clock=clock,
            sleep=sleep,
            on_headers=self._on_headers,
        )

    def _on_headers(self, headers: Mapping[str, str]) -> None:
        """Called with the headers of every response; a subclass can read rate limits from them."""

    async def close(self) -> None:
        await self._upstream.close()


__all__ = [
    "JOB",
    "UPKEEP",
    "USER",
    "Breaker",
    "Client",
    "Deadline",
    "Limiter",
    "Policy",
    "Request",
    "UpstreamClient",
    "path_of",
]
