"""When a call to somebody else's server may leave: one pace for all processes, kept in Redis."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiolimiter import AsyncLimiter
from redis.asyncio import Redis

from app.utils.redis import REDIS_FAULTS

_PREFIX = "limit:"
_LATE = 0.15  # seconds; who wakes later than this after his slot asks for another
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """All times in seconds: calls lie ``spacing`` apart, at most ``count`` in any ``window``.

    Background calls keep an even step, so that they use ``background`` of the ``count`` at most and users
    find a slot soon. A process that cannot ask Redis keeps ``alone`` between its calls.
    """

    spacing: float
    count: int
    window: float
    background: int
    alone: float

    @classmethod
    def of(cls, *, per_second: float, per_minute: int) -> "Rate":
        """The rate for limits that the far side counts: with room for jitter, and for three processes."""
        share = max(1, per_minute * 9 // 10)
        return cls(1.2 / per_second, per_minute, 60.5, share, max(1.2 / per_second, 180 / per_minute))

    @property
    def step(self) -> float:
        """Seconds between two background calls."""
        return self.window / self.background


class LimitReached(Exception):
    """No slot in time; ``retry_after`` is in seconds, ``banned`` when the far side asked for silence."""

    def __init__(self, retry_after: float, *, banned: bool) -> None:
        super().__init__(f"no slot within the time given; the next is {retry_after:.1f} s away")
        self.retry_after = retry_after
        self.banned = banned


@dataclass(frozen=True, slots=True)
class _Turn:
    """A slot that was reserved, ``wait`` seconds from now; or how far away one would have been."""

    granted: bool
    wait: float
    banned: bool = False


class SharedLimiter:
    """Reserves slots for calls to the upstream ``name``, across all processes on one Redis."""

    def __init__(
        self,
        name: str,
        rate: Rate,
        redis: Redis,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate = rate
        self._redis = redis
        self._clock = clock
        self._sleep = sleep
        self._keys = [f"{_PREFIX}{{{name}}}:{part}" for part in ("slots", "background", "ban")]
        self._script: Any = redis.register_script(_RESERVE)
        self._extend_ban: Any = redis.register_script(_BAN)
        self._pacer = AsyncLimiter(1, rate.spacing * 0.95)
        self._queue = asyncio.Lock()  # one background caller of this process asks at a time
        self._queued = 0
        self._banned_until = float("-inf")
        self._last = self._last_background = float("-inf")

    async def acquire(self, *, background: bool, max_wait: float) -> float:
        """Return at the moment the call may leave, with the seconds that were waited for it.

        Raises :class:`LimitReached` as soon as it is known that ``max_wait`` will not do.
        """
        begun = self._clock()
        if background:
            await self._acquire_in_background(begun + max_wait)
        else:
            await self._take_slot(begun + max_wait, background=False)
        await self._pacer.acquire()
        self._last = self._clock()
        return self._last - begun

    async def ban(self, seconds: float) -> None:
        """No call from any process for so long; never shortens a longer silence."""
        self._banned_until = max(self._banned_until, self._clock() + seconds)
        try:
            await self._extend_ban(keys=[self._keys[2]], args=[round(seconds * 1000)])
        except REDIS_FAULTS:
            return  # the next reservation that reaches Redis brings it along

    async def _acquire_in_background(self, deadline: float) -> None:
        """First come, first served; only the first in the queue asks Redis."""
        self._queued += 1
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock())):
                await self._queue.acquire()
        except TimeoutError:
            raise LimitReached(self._queued * self._rate.step, banned=False) from None
        finally:
            self._queued -= 1
        try:
            await self._take_slot(deadline, background=True)
        finally:
            self._queue.release()

    async def _take_slot(self, deadline: float, *, background: bool) -> None:
        while True:
            left = deadline - self._clock()
            horizon = min(left, self._rate.step) if background else left
            turn = await self._reserve(max(0.0, horizon), background=background)
            if turn.granted:
                slot = self._clock() + turn.wait
                if turn.wait > 0:
                    await self._sleep(turn.wait)
                if not await self._spoiled(slot, waited=turn.wait):
                    return
                continue
            if turn.wait > max(0.0, left):
                raise LimitReached(turn.wait, banned=turn.banned)
            early = 0.0 if turn.banned else horizon
            await self._sleep(max(0.02, turn.wait - early) + random.uniform(0, 0.05))

    async def _spoiled(self, slot: float, *, waited: float) -> bool:
        """Whether the slot went by while we slept, or silence was ordered meanwhile."""
        now = self._clock()
        if now - slot > _LATE or now < self._banned_until:
            return True
        if waited < 0.05:
            return False
        try:
            left: int = await self._redis.pttl(self._keys[2])
        except REDIS_FAULTS:
            return False
        return left > 0

    async def _reserve(self, horizon: float, *, background: bool) -> _Turn:
        banned = self._banned_until - self._clock()
        rate = self._rate
        try:
            granted, wait, silent = await self._script(
                keys=self._keys,
                args=[
                    round(rate.spacing * _MICRO),
                    rate.count,
                    round(rate.window * _MICRO),
                    round(rate.step * _MICRO) if background else 0,
                    round(horizon * _MICRO),
                    max(0, round(banned * 1000)) if banned > 0 else 0,
                ],
            )
        except REDIS_FAULTS:
            return self._reserve_alone(horizon, background=background)
        turn = _Turn(bool(granted), int(wait) / _MICRO, bool(silent))
        if turn.banned:
            self._banned_until = max(self._banned_until, self._clock() + turn.wait)
        return turn

    def _reserve_alone(self, horizon: float, *, background: bool) -> _Turn:
        """Without Redis: a pace so slow that several processes together keep the limit."""
        now = self._clock()
        if now < self._banned_until:
            return _Turn(False, self._banned_until - now, banned=True)
        slot = max(now, self._last + self._rate.alone)
        if background:
            slot = max(
                slot, self._last_background + self._rate.alone * self._rate.count / self._rate.background
            )
            horizon = 0.0  # a slot far ahead would keep users out
        if slot - now > horizon:
            return _Turn(False, slot - now)
        self._last = slot
        if background:
            self._last_background = slot
        return _Turn(True, slot - now)


# The clock of Redis decides. A list holds the last slots given out; some of them may lie ahead.
# A slot more than ten minutes ahead was given out before that clock was set back.
_RESERVE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local spacing, count, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local step, horizon, own_ban = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local ban = redis.call('PTTL', KEYS[3])
if own_ban > ban and own_ban > 0 then
  redis.call('SET', KEYS[3], 1, 'PX', own_ban)
  ban = own_ban
end
if ban > 0 then return {0, ban * 1000, 1} end
local slot = now
local last = tonumber(redis.call('LINDEX', KEYS[1], -1) or 0)
if last > now + window + 600000000 then
  redis.call('DEL', KEYS[1], KEYS[2])
  last = 0
end
slot = math.max(slot, last + spacing)
local oldest = redis.call('LINDEX', KEYS[1], -count)
if oldest then slot = math.max(slot, tonumber(oldest) + window) end
if step > 0 then slot = math.max(slot, tonumber(redis.call('GET', KEYS[2]) or 0) + step) end
local wait = slot - now
if wait > horizon then return {0, wait, 0} end
local written = string.format('%.0f', slot)
redis.call('RPUSH', KEYS[1], written)
redis.call('LTRIM', KEYS[1], -count, -1)
redis.call('PEXPIRE', KEYS[1], math.ceil(window / 500))
if step > 0 then redis.call('SET', KEYS[2], written, 'PX', math.ceil((wait + step) / 1000)) end
return {1, wait, 0}
"""

_BAN = """
if tonumber(ARGV[1]) > redis.call('PTTL', KEYS[1]) then redis.call('SET', KEYS[1], 1, 'PX', ARGV[1]) end
"""
