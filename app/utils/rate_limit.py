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
_LATE = 0.2  # seconds; who wakes later than this after his slot asks for another
_OVERDUE = 10.0  # seconds; a background call that waited longer reserves as far ahead as users do
_GRACE = 1.0  # seconds without Redis until a process goes on alone
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """All times in seconds: calls lie ``spacing`` apart, at most ``count`` in any ``window``.

    Background calls keep an even step, so that they use ``background`` of the ``count`` at most and users
    find a slot soon; users leave a few too, so that no demand of theirs stops the background altogether.
    A process that cannot ask Redis keeps ``alone`` between its calls.
    """

    spacing: float
    count: int
    window: float
    background: int
    users: int
    alone: float

    @classmethod
    def of(cls, *, per_second: float, per_minute: int) -> "Rate":
        """The rate for limits that the far side counts, with room for jitter and for three processes.

        The spacing costs nothing over a minute; on the way calls may drift together by half a second.
        """
        spacing = 1.5 / per_second
        return cls(
            spacing,
            per_minute,
            window=60.5,
            background=per_minute - per_minute // 10,
            users=per_minute - per_minute // 20,
            alone=max(spacing, 180 / per_minute),
        )

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
    """A slot that was reserved, ``wait`` seconds from now; or how far away one would have been.

    In the latter case it makes sense to ask again in ``again`` seconds.
    """

    granted: bool
    wait: float
    again: float = 0.0
    banned: bool = False
    alone: bool = False


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
        self._keys = [f"{_PREFIX}{{{name}}}:{part}" for part in ("slots", "background", "ban", "users")]
        self._script: Any = redis.register_script(_RESERVE)
        self._extend_ban: Any = redis.register_script(_BAN)
        self._pacer = AsyncLimiter(1, rate.spacing * 0.95)
        self._queue = asyncio.Lock()  # one background caller of this process asks at a time
        self._queued = 0
        self._banned_until = float("-inf")
        self._alone = _OwnPace(rate)

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
        now = self._clock()
        self._alone.note(now)
        return now - begun

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
        begun = self._clock()
        while True:
            asked = self._clock()
            left = max(0.0, deadline - asked)
            overdue = asked - begun > _OVERDUE
            ahead = min(left, self._rate.step * (3 if overdue else 1)) if background else left
            turn = await self._reserve(ahead, background=background)
            # A slot of Redis counts from when it was asked; one of our own from when Redis was given up.
            slot = (self._clock() if turn.alone else asked) + turn.wait
            _obey_cancellation()
            if turn.granted:
                if turn.wait > 0:
                    await self._sleep(turn.wait)
                spoiled = await self._spoiled(slot, waited=turn.wait)
                _obey_cancellation()
                if not spoiled:
                    return
            elif turn.wait > left:
                raise LimitReached(turn.wait, banned=turn.banned)
            else:
                await self._sleep(max(0.02, turn.again) + random.uniform(0, 0.05))

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

    async def _reserve(self, ahead: float, *, background: bool) -> _Turn:
        """A slot that lies no further ahead than this many seconds, or how far away one is."""
        rate, silence = self._rate, self._banned_until - self._clock()
        try:
            granted, micros, banned = await self._script(
                keys=self._keys,
                args=[
                    round(rate.spacing * _MICRO),
                    rate.count,
                    round(rate.window * _MICRO),
                    round(rate.step * _MICRO) if background else 0,
                    round(ahead * _MICRO),
                    round(silence * 1000) if silence > 0 else 0,
                    rate.users,
                ],
            )
        except REDIS_FAULTS:
            if silence > 0:
                return _Turn(False, silence, silence, banned=True)
            return self._alone.reserve(self._clock(), background=background)
        self._alone.end()
        wait = int(micros) / _MICRO
        if banned:
            self._banned_until = max(self._banned_until, self._clock() + wait)
        return _Turn(bool(granted), wait, wait if banned else wait - ahead, bool(banned))


class _OwnPace:
    """Without Redis: a pace so slow that several processes together keep the limit.

    It begins a little after Redis was lost, since losing one command is no reason to leave the common pace.
    """

    def __init__(self, rate: Rate) -> None:
        self._spacing = rate.alone
        self._background = rate.alone * rate.count / rate.background
        self._last = self._last_background = float("-inf")
        self._begun: float | None = None

    def note(self, now: float) -> None:
        """A call left."""
        self._last = now

    def end(self) -> None:
        self._begun = None

    def reserve(self, now: float, *, background: bool) -> _Turn:
        """Only a slot that is due now; until then Redis is asked again."""
        if self._begun is None:
            self._begun = now
        slot = max(now, self._begun + _GRACE, self._last + self._spacing)
        if background:
            slot = max(slot, self._last_background + self._background)
        if slot > now:
            return _Turn(False, slot - now, min(slot - now, _GRACE))
        self._last = now
        if background:
            self._last_background = now
        return _Turn(True, 0.0, alone=True)


def _obey_cancellation() -> None:
    """redis-py sends through ``asyncio.wait_for``, which on Python 3.11 can swallow a cancellation."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


# The clock of Redis decides. A list holds the last slots given out; some of them may lie ahead.
# A slot more than ten minutes ahead was given out before that clock was set back.
_RESERVE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local spacing, count, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local step, horizon, own_ban = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local users = tonumber(ARGV[7])
local ban = redis.call('PTTL', KEYS[3])
if own_ban > ban and own_ban > 0 then
  redis.call('SET', KEYS[3], 1, 'PX', own_ban)
  ban = own_ban
end
if ban > 0 then return {0, ban * 1000, 1} end
local slot = now
local last = tonumber(redis.call('LINDEX', KEYS[1], -1) or 0)
if last > now + window + 600000000 then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[4])
  last = 0
end
slot = math.max(slot, last + spacing)
local function keep_window(key, most)
  local oldest = redis.call('LINDEX', key, -most)
  if oldest then slot = math.max(slot, tonumber(oldest) + window) end
end
keep_window(KEYS[1], count)
if step > 0 then
  slot = math.max(slot, tonumber(redis.call('GET', KEYS[2]) or 0) + step)
else
  keep_window(KEYS[4], users)
end
local wait = slot - now
if wait > horizon then return {0, wait, 0} end
local written = string.format('%.0f', slot)
local function note(key, most)
  redis.call('RPUSH', key, written)
  redis.call('LTRIM', key, -most, -1)
  redis.call('PEXPIRE', key, math.ceil(window / 500))
end
note(KEYS[1], count)
if step > 0 then
  redis.call('SET', KEYS[2], written, 'PX', math.ceil((wait + step) / 1000))
else
  note(KEYS[4], users)
end
return {1, wait, 0}
"""

_BAN = """
if tonumber(ARGV[1]) > redis.call('PTTL', KEYS[1]) then redis.call('SET', KEYS[1], 1, 'PX', ARGV[1]) end
"""
