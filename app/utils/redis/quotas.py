"""Quotas per client: exact sliding windows in Redis, per process while Redis is down."""

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from cachetools import LRUCache
from redis.asyncio import Redis

from app.utils.background import start
from app.utils.redis.client import REDIS_FAULTS

_PREFIX = "quota:"
_MOST_AT_ONCE = 200  # questions per call, so that the script stays far below a millisecond
_KNOWN_FOR = 0.1  # seconds for which what Redis said about a key is relied on
_REPORTED_AFTER = 0.03  # seconds for which uses allowed in advance are collected
_MOST_KNOWN = 10_000  # keys
_MOST_LOCAL = 50_000  # keys in memory while Redis is down; the least recently used are evicted first


@dataclass(frozen=True, slots=True)
class Quota:
    """At most ``limit`` uses in any ``period`` seconds; ``name`` is the namespace of its keys.

    Up to ``advance`` uses of a key, while less than two thirds of its limit are used, are allowed without
    waiting for Redis, and reported to it milliseconds later. In one process the count stays exact. A client
    that uses a third of the limit within 130 ms at another process may get ``advance`` uses too many.
    """

    name: str
    limit: int
    period: float
    advance: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a key: ``reset_after`` is the number of seconds until the oldest use expires."""

    allowed: bool
    limit: int
    remaining: int
    reset_after: float


def rate_headers(quota: Quota, standing: Standing) -> dict[str, str]:
    """Response headers of the IETF RateLimit draft; times are in whole seconds."""
    return {
        "RateLimit-Limit": str(standing.limit),
        "RateLimit-Remaining": str(standing.remaining),
        "RateLimit-Reset": str(math.ceil(standing.reset_after)),
        "RateLimit-Policy": _policy(quota),
    }


@dataclass(frozen=True, slots=True)
class _Known:
    """What Redis said about a key; times are those of the clock of this process."""

    used: int
    until: float
    reset_at: float


@dataclass(slots=True)
class _Unreported:
    quota: Quota
    uses: int = 0


@dataclass(frozen=True, slots=True)
class _Question:
    """``answer`` gets what the script returns for this key, or None if Redis is down."""

    name: str
    quota: Quota
    take: bool
    answer: "asyncio.Future[Sequence[int] | None]"


@lru_cache(maxsize=256)
def _policy(quota: Quota) -> str:
    return f"{quota.limit};w={quota.period:g}"


class Quotas:
    """Counts uses per key; while Redis is down each process counts on its own.

    At most ``limit`` timestamps are kept per key, so a flood of requests does not grow memory. What is asked
    while a call to Redis is under way goes into the next call together: the cost of a call, which is several
    times that of the script, is shared, and the counts stay exact.
    """

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._use: Any = redis.register_script(_USE)
        self._redis = redis
        self._clock = clock
        self._local: OrderedDict[str, deque[float]] = OrderedDict()
        self._waiting: list[_Question] = []
        self._asking = False
        self._known: LRUCache[str, _Known] = LRUCache(_MOST_KNOWN)
        self._unreported: dict[str, _Unreported] = {}
        self._reporting = False

    async def take(self, quota: Quota, key: str) -> Standing:
        """Use the quota once if it is not exhausted; ``allowed`` tells whether it was used."""
        if quota.advance and (standing := self._take_in_advance(quota, _name(quota, key))):
            return standing
        return await self._ask(quota, key, take=True)

    async def peek(self, quota: Quota, key: str) -> Standing:
        """Whether the next use would be allowed, without using the quota."""
        return await self._ask(quota, key, take=False)

    async def give_back(self, quota: Quota, key: str) -> None:
        """Undo the latest use, for an operation that should not have counted."""
        name = _name(quota, key)
        if name in self._local:
            used = self._local[name]
            if used:
                used.pop()
        try:
            await self._redis.rpop(name)
        except REDIS_FAULTS:
            return

    async def clear(self, quota: Quota, key: str) -> None:
        """Forget every use of this key."""
        name = _name(quota, key)
        self._local.pop(name, None)
        self._known.pop(name, None)
        self._unreported.pop(name, None)
        try:
            await self._redis.delete(name)
        except REDIS_FAULTS:
            return

    def _take_in_advance(self, quota: Quota, name: str) -> Standing | None:
        """None if Redis must be asked first."""
        now, known = self._clock(), self._known.get(name)
        if known is None or now >= known.until:
            return None
        mine = self._unreported.get(name)
        used = known.used + (mine.uses if mine else 0)
        if used >= quota.limit * 2 // 3 or (mine and mine.uses >= quota.advance):
            return None
        if mine is None:
            mine = self._unreported[name] = _Unreported(quota)
        mine.uses += 1
        if not self._reporting:
            self._reporting = True
            asyncio.get_running_loop().call_later(_REPORTED_AFTER, self._report)
        return _standing(quota, True, used + 1, known.reset_at - now)

    def _report(self) -> None:
        self._reporting = False
        loop = asyncio.get_running_loop()
        for name, mine in self._unreported.items():
            self._enqueue(_Question(name, mine.quota, False, loop.create_future()))

    def _enqueue(self, question: _Question) -> None:
        self._waiting.append(question)
        if not self._asking:
            self._asking = True
            start(self._ask_redis(), "quotas")

    async def _ask(self, quota: Quota, key: str, *, take: bool) -> Standing:
        name = _name(quota, key)
        question = _Question(name, quota, take, asyncio.get_running_loop().create_future())
        self._enqueue(question)
        told = await question.answer
        if told is None:
            return self._ask_here(quota, name, take=take)
        allowed, used, reset = told
        return _standing(quota, bool(allowed), used, reset / 1000)

    async def _ask_redis(self) -> None:
        """Answer the waiting questions, those that come meanwhile too."""
        asked: list[_Question] = []
        try:
            while self._waiting:
                asked, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                try:
                    told = await self._use_all(asked)
                except REDIS_FAULTS:
                    # those that came meanwhile too: they need not wait for another timeout
                    asked, self._waiting = [*asked, *self._waiting], []
                    told = [None] * len(asked)
                for question, answer in zip(asked, told, strict=True):
                    if not question.answer.done():  # its caller may be gone
                        question.answer.set_result(answer)
        finally:
            self._asking = False
            for question in (*asked, *self._waiting):
                question.answer.cancel()  # no effect on those that are answered
            self._waiting = []

    async def _use_all(self, asked: Sequence[_Question]) -> list[Sequence[int] | None]:
        # One argument and one reply however many the keys are: redis-py takes longest for those.
        told = await self._use(
            keys=[one.name for one in asked],
            args=[" ".join(f"{self._begin_report(one)} {_terms(one.quota, one.take)}" for one in asked)],
        )
        numbers = [int(number) for number in told.split()]
        answers = [numbers[at : at + 3] for at in range(0, len(numbers), 3)]
        now = self._clock()
        for one, (_, used, reset) in zip(asked, answers, strict=True):
            if one.quota.advance:
                self._known[one.name] = _Known(used, now + _KNOWN_FOR, now + reset / 1000)
        return list(answers)

    def _begin_report(self, question: _Question) -> int:
        """The number of uses allowed in advance; they, and what is asked, count as known from now on."""
        mine, known = self._unreported.pop(question.name, None), self._known.get(question.name)
        uses = mine.uses if mine else 0
        if known is not None:
            self._known[question.name] = replace(known, used=known.used + uses + question.take)
        return uses

    def _ask_here(self, quota: Quota, name: str, *, take: bool) -> Standing:
        now = self._clock()
        uses = self._local.setdefault(name, deque())
        self._local.move_to_end(name)
        if len(self._local) > _MOST_LOCAL:
            self._local.popitem(last=False)
        while uses and uses[0] <= now - quota.period:
            uses.popleft()
        allowed = len(uses) < quota.limit
        if allowed and take:
            uses.append(now)
        reset = uses[0] + quota.period - now if uses else 0.0
        return _standing(quota, allowed, len(uses), reset)


@lru_cache(maxsize=256)
def _terms(quota: Quota, take: bool) -> str:
    return f"{quota.limit} {round(quota.period * 1000)} {take:d}"


def _name(quota: Quota, key: str) -> str:
    return f"{_PREFIX}{quota.name}:{key}"


def _standing(quota: Quota, allowed: bool, used: int, reset: float) -> Standing:
    return Standing(allowed, quota.limit, max(0, quota.limit - used), reset)


# Uses the clock of Redis, so that clock skew between processes does not matter.
_USE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local told = {}
local terms = string.gmatch(ARGV[1], '%d+')
for at, key in ipairs(KEYS) do
  local before, limit, period, take = tonumber(terms()), tonumber(terms()), tonumber(terms()), terms()
  local oldest = redis.call('LINDEX', key, 0)
  while oldest and tonumber(oldest) <= now - period do
    redis.call('LPOP', key)
    oldest = redis.call('LINDEX', key, 0)
  end
  for _ = 1, before do
    redis.call('RPUSH', key, string.format('%.0f', now))
    redis.call('PEXPIRE', key, period)
    oldest = oldest or now
  end
  local used = redis.call('LLEN', key)
  local allowed = used < limit
  if allowed and take == '1' then
    redis.call('RPUSH', key, string.format('%.0f', now))
    redis.call('PEXPIRE', key, period)
    used = used + 1
    oldest = oldest or now
  end
  local reset = oldest and tonumber(oldest) + period - now or 0
  told[at] = string.format('%d %d %d', allowed and 1 or 0, used, reset)
end
return table.concat(told, ' ')
"""
