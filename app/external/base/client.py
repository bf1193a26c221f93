"""A call to an upstream: retry around circuit breaker around shared rate limit around HTTP."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from app.errors import AppError
from app.external.base.breaker import Breaker, BreakerOpen
from app.external.base.exchange import Body, HttpExchange, Query
from app.external.base.faults import UpstreamFault, not_asked
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

_LONGEST_PAUSE = 20.0  # seconds between two attempts, unless the upstream sends Retry-After


@dataclass(frozen=True, slots=True)
class Request:
    """A GET, or a POST if there is a ``body``."""

    url: str
    query: Query
    body: Body | None = None


class UpstreamClient:
    """Calls one upstream within the caller's deadline; every failure is an :class:`AppError`."""

    def __init__(
        self,
        base_url: str,
        policy: Policy,
        *,
        limiter: Limiter,
        breaker: Breaker,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._policy = policy
        self._limiter = limiter
        self._breaker = breaker
        self._http = HttpExchange(policy, transport=transport)
        self._clock = clock
        self._sleep = sleep

    async def get(self, *parts: str | int, query: Query | None = None, deadline: Deadline) -> dict[str, Any]:
        """GET the JSON object under these path segments.

        Raises ``NotFound`` for 404, otherwise a subclass of ``UpstreamFailure``.
        """
        return await self._call(Request(self._url(parts), query or {}), deadline)

    async def post(self, body: Body, *, deadline: Deadline) -> dict[str, Any]:
        """POST a query to the base URL; it is retried like :meth:`get`, so it must not change anything."""
        return await self._call(Request(self._base_url, {}, body), deadline)

    async def close(self) -> None:
        await self._http.close()

    async def _call(self, request: Request, deadline: Deadline) -> dict[str, Any]:
        ends_at = self._clock() + deadline.budget
        try:
            return await self._retrying(deadline, ends_at)(self._through_breaker, request, deadline, ends_at)
        except UpstreamFault as failure:
            raise self._reported(failure) from failure

    async def _through_breaker(self, request: Request, deadline: Deadline, ends_at: float) -> dict[str, Any]:
        name, title = self._policy.name, self._policy.title
        try:
            ticket = self._breaker.admit()
        except BreakerOpen as open_:
            raise not_asked(
                name, title, open_.retry_after, outcome="breaker", why="it kept failing"
            ) from None
        up: bool | None = None
        try:
            answer = await self._through_limiter(request, deadline, ends_at)
            up = True
        except UpstreamFault as failure:
            up = {"up": True, "down": False, "unknown": None}[failure.verdict]
            raise
        finally:
            self._breaker.settle(ticket, up=up)
            UPSTREAM_BREAKER_OPEN.labels(name).set(self._breaker.is_open)
        return answer

    async def _through_limiter(self, request: Request, deadline: Deadline, ends_at: float) -> dict[str, Any]:
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
            raise not_asked(name, title, limit.retry_after, outcome=outcome, why=why) from None
        UPSTREAM_WAIT_SECONDS.labels(name, deadline.name).observe(waited)
        return await self._attempt(request, min(deadline.attempt, ends_at - self._clock()))

    async def _attempt(self, request: Request, seconds: float) -> dict[str, Any]:
        name, started, outcome = self._policy.name, time.perf_counter(), "cancelled"
        try:
            answer = await self._http.get_object(request.url, request.query, seconds, request.body)
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
            log.warning(
                "upstream.failed", upstream=self._policy.name, outcome=failure.outcome, why=str(failure)
            )
        return failure.error

    def _url(self, parts: tuple[str | int, ...]) -> str:
        """Quote each segment, so that none can escape the base path."""
        segments = [quote(str(part), safe="") for part in parts]
        if any(segment in {"", ".", ".."} for segment in segments):
            raise ValueError(f"not a valid path below {self._base_url}: {parts!r}")
        return "/".join([self._base_url, *segments])


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
            breaker=Breaker(self.policy.name, clock=clock),
            transport=transport,
            clock=clock,
            sleep=sleep,
        )

    async def close(self) -> None:
        await self._upstream.close()


__all__ = ["JOB", "UPKEEP", "USER", "Breaker", "Client", "Deadline", "Limiter", "Policy", "UpstreamClient"]
