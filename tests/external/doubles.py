"""Test doubles: a limiter that admits everything, a manual clock."""

import asyncio

import httpx

from app.external.jikan.client import JikanClient
from app.utils.redis.rate_limit import LimitReached, Rate, Traffic

BASE = "https://jikan.test/v4"


class OpenLimiter:
    """A limiter that grants every slot at once and records the requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[Traffic, float]] = []
        self.bans: list[float] = []
        self.rates: list[Rate] = []
        self.refusal: LimitReached | None = None

    async def acquire(
        self, *, traffic: Traffic, max_wait: float, promoted: asyncio.Event | None = None
    ) -> float:
        self.asked.append((traffic, max_wait))
        if self.refusal is not None:
            raise self.refusal
        return 0.0

    async def ban(self, seconds: float) -> None:
        self.bans.append(seconds)

    def pace(self, rate: Rate) -> None:
        self.rates.append(rate)


class ManualClock:
    """Time passes only in ``sleep``, or when the test advances it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Answers(httpx.MockTransport):
    """Returns these responses in turn, the last one repeatedly, and records the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        super().__init__(self._answer)
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def jikan(
    transport: httpx.AsyncBaseTransport, *, gate: OpenLimiter | None = None, clock: ManualClock | None = None
) -> JikanClient:
    clock = clock or ManualClock()
    return JikanClient(
        BASE, limiter=gate or OpenLimiter(), transport=transport, clock=clock, sleep=clock.sleep
    )
