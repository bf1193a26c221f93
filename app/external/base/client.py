"""Every call to an upstream: retry, then breaker, then the shared rate limit, then HTTP."""

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

_LONGEST_PAUSE = 20.0  # seconds between two attempts, when the upstream does not name a time


@dataclass(frozen=True, slots=True)
class Request:
    """With a ``body`` it is a POST. ``path`` is below the base address; ``shapes`` are what may answer it."""

    path: str
    query: Query
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    shapes: tuple[type, ...] = (dict,)


@dataclass(frozen=True, slots=True)
class _Host:
    base_url: str
    breaker: Breaker


class UpstreamClient:
    """Calls one upstream within the patience of the caller; every fault is one :class:`AppError`.

    ``base_url`` may be a comma list: the hosts are tried in their order, each with a breaker of its own, and
    the one that answered last is asked first.
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
        hear: Callable[[Mapping[str, str]], None] = lambda _: None,
    ) -> None:
        urls = [url.strip().rstrip("/") for url in base_url.split(",")]
        self._hosts = [_Host(url, breaker()) for url in urls]
        self._best = self._hosts[0]
        self._policy = policy
        self._limiter = limiter
        self._wire = HttpExchange(policy, transport=transport, hear=hear)
        self._clock = clock
        self._sleep = sleep

    async def get(self, *parts: str | int, query: Query | None = None, deadline: Deadline) -> dict[str, Any]:
        """The JSON object under these path segments.

        Raises ``NotFound`` for 404, else one of the ``UpstreamFailure`` family.
        """
        answer: dict[str, Any] = await self.ask(Request(path_of(parts), query or {}), deadline)
        return answer

    async def post(self, body: Body, *, deadline: Deadline) -> dict[str, Any]:
        """The JSON object that answers a reading POST of ``body`` to the base address; else as ``get``."""
        answer: dict[str, Any] = await self.ask(Request("", {}, body), deadline)
        return answer

    async def ask(self, request: Request, deadline: Deadline) -> Any:
        """The JSON that answers any request, in one of its ``shapes``; raises as ``get`` does."""
        ends_at = self._clock() + deadline.budget
        try:
            return await self._retrying(deadline, ends_at)(self._over_hosts, request, deadline, ends_at)
        except UpstreamFault as failure:
            raise self._told(failure) from failure

    async def close(self) -> None:
        await self._wire.close()

    async def _over_hosts(self, request: Request, deadline: Deadline, ends_at: float) -> Any:
        """Ask the host that answered last, then the others; the fault is that of the last one."""
        hosts = [self._best, *(host for host in self._hosts if host is not self._best)]
        for left, host in zip(range(len(hosts), 0, -1), hosts, strict=True):
            try:
                # what a silent host leaves of the time is for the others
                host_ends_at = ends_at if left == 1 else self._clock() + (ends_at - self._clock()) / left
                answer = await self._unless_open(host, request, deadline, host_ends_at)
            except UpstreamFault as failure:
                if left == 1 or not failure.of_host:
                    raise
            else:
                self._best = host
                return answer
        raise AssertionError("there is no host")

    async def _unless_open(self, host: _Host, request: Request, deadline: Deadline, ends_at: float) -> Any:
        name, title = self._policy.name, self._policy.title
        try:
            ticket = host.breaker.admit()
        except BreakerOpen as open_:
            raise not_asked(
                name, title, open_.retry_after, outcome="breaker", why="it kept failing"
            ) from None
        up: bool | None = None
        try:
            answer = await self._in_turn(host, request, deadline, ends_at)
            up = True
        except UpstreamFault as failure:
            up = {"up": True, "down": False, "unknown": None}[failure.verdict]
            raise
        finally:
            host.breaker.settle(ticket, up=up)
            UPSTREAM_BREAKER_OPEN.labels(name).set(all(host.breaker.is_open for host in self._hosts))
        return answer

    async def _in_turn(self, host: _Host, request: Request, deadline: Deadline, ends_at: float) -> Any:
        name, title = self._policy.name, self._policy.title
        max_wait = ends_at - self._clock() - (deadline.budget - deadline.queue_timeout)
        try:
            waited = await self._limiter.acquire(
                traffic=deadline.traffic, max_wait=max_wait, promoted=deadline.promoted
            )
        except LimitReached as limit:
            outcome, why = (
                ("ban", "it asked for silence") if limit.banned else ("limit", "its rate limit is spent")
            )
            raise not_asked(name, title, limit.retry_after, outcome=outcome, why=why) from None
        UPSTREAM_WAIT_SECONDS.labels(name, deadline.name).observe(waited)
        return await self._attempt(host, request, min(deadline.attempt, ends_at - self._clock()))

    async def _attempt(self, host: _Host, request: Request, seconds: float) -> Any:
        name, begun, outcome = self._policy.name, time.perf_counter(), "left"
        try:
            answer = await self._wire.ask(
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
            UPSTREAM_SECONDS.labels(name).observe(time.perf_counter() - begun)
        return answer

    def _retrying(self, deadline: Deadline, ends_at: float) -> AsyncRetrying:
        def enough(state: RetryCallState) -> bool:
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
            stop=enough,
            wait=pause,
            sleep=self._sleep,
            reraise=True,
        )

    def _told(self, failure: UpstreamFault) -> AppError:
        if failure.verdict == "unknown":
            UPSTREAM_REFUSALS.labels(self._policy.name, failure.outcome).inc()
        elif failure.verdict == "down":
            log.warning(
                "upstream.failed", upstream=self._policy.name, outcome=failure.outcome, why=str(failure)
            )
        return failure.error


def path_of(parts: Sequence[str | int]) -> str:
    """The path of these segments, quoted one by one, so that none of them can leave the base address."""
    segments = [quote(str(part), safe="") for part in parts]
    if any(segment in {"", ".", ".."} for segment in segments):
        raise ValueError(f"not a path below the base address: {parts!r}")
    return "/".join(["", *segments])


class Client:
    """What the clients of all upstreams have in common; each names its ``policy``."""

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
            hear=self._hear,
        )

    def _hear(self, headers: Mapping[str, str]) -> None:
        """The headers of an answer, for a client that learns from them."""

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
