"""Quotas per client: exact sliding windows in Redis, per process while Redis is down."""

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from app.utils.redis.client import REDIS_FAULTS

_PREFIX = "quota:"
_MOST_LOCAL = 50_000  # keys in memory while Redis is down; the least recently used are evicted first


@dataclass(frozen=True, slots=True)
class Quota:
    """At most ``limit`` uses in any ``period`` seconds; ``name`` is the namespace of its keys."""

    name: str
    limit: int
    period: float


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
        "RateLimit-Policy": f"{quota.limit};w={quota.period:g}",
    }


class Quotas:
    """Counts uses per key; while Redis is down each process counts on its own.

    At most ``limit`` timestamps are kept per key, so a flood of requests does not grow memory.
    """

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._use: Any = redis.register_script(_USE)
        self._redis = redis
        self._clock = clock
        self._local: OrderedDict[str, deque[float]] = OrderedDict()

    async def take(self, quota: Quota, key: str) -> Standing:
        """Use the quota once if it is not exhausted; ``allowed`` tells whether it was used."""
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
        try:
            await self._redis.delete(name)
        except REDIS_FAULTS:
            return

    async def _ask(self, quota: Quota, key: str, *, take: bool) -> Standing:
        name = _name(quota, key)
        try:
            allowed, used, reset = await self._use(
                keys=[name], args=[quota.limit, round(quota.period * 1000), int(take)]
            )
        except REDIS_FAULTS:
            return self._ask_here(quota, name, take=take)
        return _standing(quota, bool(allowed), int(used), int(reset) / 1000)

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


def _name(quota: Quota, key: str) -> str:
    return f"{_PREFIX}{quota.name}:{key}"


def _standing(quota: Quota, allowed: bool, used: int, reset: float) -> Standing:
    return Standing(allowed, quota.limit, max(0, quota.limit - used), reset)


# Uses the clock of Redis, so that clock skew between processes does not matter.
_USE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local oldest = redis.call('LINDEX', KEYS[1], 0)
while oldest and tonumber(oldest) <= now - period do
  redis.call('LPOP', KEYS[1])
  oldest = redis.call('LINDEX', KEYS[1], 0)
end
local used = redis.call('LLEN', KEYS[1])
local allowed = used < limit
if allowed and ARGV[3] == '1' then
  redis.call('RPUSH', KEYS[1], string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[1], period)
  used = used + 1
  oldest = oldest or now
end
local reset = 0
if oldest then reset = tonumber(oldest) + period - now end
return {allowed and 1 or 0, used, reset}
"""
