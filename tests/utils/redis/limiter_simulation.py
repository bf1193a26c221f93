"""Callers of a limiter in simulated time."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from redis.asyncio import Redis

from app.utils.redis import rate_limit
from app.utils.redis.rate_limit import Rate, SharedLimiter, Traffic

_CLOCK = "simulation:time"
_LATENCY = 0.1  # seconds between calls of one caller
_ASKS_AGAIN = 1.0  # seconds after a rejection


@dataclass
class Caller:
    """Calls ``calls`` times, one after another; readers give up after ``queue_timeout`` seconds."""

    traffic: Traffic
    calls: int
    begins: float = 0.0
    queue_timeout: float = 55.0
    asked_at: float = 0.0
    waits: list[float] = field(default_factory=list)
    refused: int = 0
    ended_at: float | None = None


class Simulation:
    def __init__(self, redis: Redis, rate: Rate) -> None:
        self.now = 1_000_000.0
        self.calls: list[tuple[float, Traffic]] = []
        self._redis = redis
        self._limiter = SharedLimiter("simulated", rate, redis, clock=lambda: self.now)
        script = rate_limit._RESERVE.replace("redis.call('TIME')", f"redis.call('LRANGE', '{_CLOCK}', 0, 1)")
        self._limiter._script = redis.register_script(script)
        self._due: list[tuple[float, int, Caller]] = []
        self._order: Iterator[int] = count()

    def add(self, *callers: Caller) -> None:
        for caller in callers:
            caller.asked_at = self.now + caller.begins
            self._at(caller.asked_at, caller)

    async def run(self, seconds: float) -> None:
        """Let this much time pass."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, caller = heapq.heappop(self._due)
            await self._ask(caller)
        self.now = end

    async def _ask(self, caller: Caller) -> None:
        await self._redis.delete(_CLOCK)
        await self._redis.rpush(_CLOCK, int(self.now), round(self.now % 1 * 1_000_000))
        waited = self.now - caller.asked_at
        left = max(0.0, caller.queue_timeout - waited)
        turn: Any = await self._limiter._reserve(caller.traffic, left, waited=waited)
        if turn.granted:
            slot = self.now + turn.wait
            self.calls.append((slot, caller.traffic))
            caller.waits.append(slot - caller.asked_at)
            self._next(caller, slot + _LATENCY)
        elif turn.wait > left:
            caller.refused += 1
            self._next(caller, self.now + _ASKS_AGAIN)
        else:
            self._at(self.now + max(0.02, turn.ask_again_in), caller)

    def _next(self, caller: Caller, at: float) -> None:
        caller.calls -= 1
        caller.asked_at = at
        if caller.calls:
            self._at(at, caller)
        else:
            caller.ended_at = at

    def _at(self, at: float, caller: Caller) -> None:
        heapq.heappush(self._due, (at, next(self._order), caller))

    def times(self, *traffic: Traffic) -> list[float]:
        return sorted(at for at, which in self.calls if which in traffic)
