"""When a call to somebody else's server may leave: one pace for all processes, kept in Redis."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from aiolimiter import AsyncLimiter
from redis.asyncio import Redis

from app.utils.redis.client import REDIS_FAULTS

# Who asks, most urgent first: a request that somebody waits for, what a person ordered, background refreshes.
Traffic = Literal["reader", "order", "upkeep"]

_MORE_URGENT: dict[Traffic, tuple[Traffic, ...]] = {
    "reader": (),
    "order": ("reader",),
    "upkeep": ("reader", "order"),
}
_PREFIX = "limit:"
_PARTS = ("slots", "stepped", "ban", "order", "upkeep", "asked", "order_waits")
_LATE = 0.2  # seconds; who wakes later than this after his slot asks for another
_GRACE = 1.0  # seconds without Redis until a process goes on alone
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """All times in seconds: calls lie ``spacing`` apart, at most ``count`` in any ``window``.

    Orders and upkeep together keep an even ``step``, so that at most ``count - reserve`` of them fall into a
    window and the slots they used fall free evenly: readers find ``reserve`` slots at once and then one a
    step. A process that cannot ask Redis keeps ``alone`` between its calls.
    """

    spacing: float
    count: int
    window: float
    reserve: int
    alone: float

    @classmethod
    def of(cls, *, per_second: float, per_minute: int) -> "Rate":
        """The rate for limits that the far side counts, with room for jitter and for three processes.

        The spacing costs nothing over a minute; on the way calls may drift together by half a second.
        """
        spacing = 1.5 / per_second
        alone = max(spacing, 180 / per_minute)
        return cls(spacing, per_minute, window=60.5, reserve=per_minute // 10, alone=alone)

    @property
    def step(self) -> float:
        """Seconds between two calls that are no reader's."""
        return self.window / (self.count - self.reserve)

    @property
    def half(self) -> int:
        """The most upkeep calls in a window in which others ask."""
        return max(1, self.count // 2)

    @property
    def near(self) -> float:
        """Seconds that an order or upkeep reserves ahead: so soon it gives way to a reader."""
        return self.step / 4

    def kept_free(self, traffic: Traffic) -> int:
        """Slots of a window that this class leaves to those before it."""
        return {"reader": 0, "order": self.reserve // 2, "upkeep": self.reserve}[traffic]

    def starves_after(self, traffic: Traffic) -> float:
        """Seconds without a slot after which a class gets one, whoever else asks."""
        return {"reader": 0.0, "order": self.window / 20, "upkeep": self.window / 3}[traffic]


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
        self._keys = [f"{_PREFIX}{{{name}}}:{part}" for part in _PARTS]
        self._script: Any = redis.register_script(_RESERVE)
        self._extend_ban: Any = redis.register_script(_BAN)
        self._pacer = AsyncLimiter(1, rate.spacing * 0.95)
        # first come, first served: of each of these classes one caller of this process asks at a time
        self._line: dict[Traffic, asyncio.Lock] = {"order": asyncio.Lock(), "upkeep": asyncio.Lock()}
        self._waiting: Counter[Traffic] = Counter()
        self._banned_until = float("-inf")
        self._alone = _OwnPace(rate)

    async def acquire(
        self, *, traffic: Traffic, max_wait: float, promoted: asyncio.Event | None = None
    ) -> float:
        """Return at the moment the call may leave, with the seconds that were waited for it.

        Once ``promoted`` is set, a call of upkeep waits as an order. Raises :class:`LimitReached` as soon as
        it is known that ``max_wait`` will not do.
        """
        begun = self._clock()
        if traffic == "upkeep" and promoted is not None:
            await self._wait_until_promoted(begun + max_wait, promoted)
        else:
            await self._wait(traffic, begun + max_wait)
        await self._pacer.acquire()
        now = self._clock()
        self._alone.note(now)
        return now - begun

    def pace(self, rate: Rate) -> None:
        """Keep another rate from now on, in this process: each learns it from the answers it gets."""
        self._rate = rate
        self._pacer = AsyncLimiter(1, rate.spacing * 0.95)
        self._alone = _OwnPace(rate)

    async def ban(self, seconds: float) -> None:
        """No call from any process for so long; never shortens a longer silence."""
        self._banned_until = max(self._banned_until, self._clock() + seconds)
        try:
            await self._extend_ban(keys=[self._keys[2]], args=[round(seconds * 1000)])
        except REDIS_FAULTS:
            return  # the next reservation that reaches Redis brings it along

    async def _wait_until_promoted(self, deadline: float, promoted: asyncio.Event) -> None:
        """Wait as upkeep, and as an order from the moment the event is set."""
        if promoted.is_set():
            return await self._wait("order", deadline)
        as_upkeep = asyncio.create_task(self._wait("upkeep", deadline))
        order = asyncio.create_task(promoted.wait())
        try:
            await asyncio.wait({as_upkeep, order}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            as_upkeep.cancel()
            order.cancel()
            await asyncio.wait({as_upkeep, order})
        if as_upkeep.cancelled():
            return await self._wait("order", deadline)
        return as_upkeep.result()

    async def _wait(self, traffic: Traffic, deadline: float) -> None:
        self._waiting[traffic] += 1
        try:
            if traffic == "reader":
                await self._take_slot(deadline, traffic)
            else:
                await self._wait_in_line(deadline, traffic)
        finally:
            self._waiting[traffic] -= 1

    async def _wait_in_line(self, deadline: float, traffic: Traffic) -> None:
        line = self._line[traffic]
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock())):
                await line.acquire()
        except TimeoutError:
            raise LimitReached(self._waiting[traffic] * self._rate.step, banned=False) from None
        try:
            await self._take_slot(deadline, traffic)
        finally:
            line.release()

    async def _take_slot(self, deadline: float, traffic: Traffic) -> None:
        begun = self._clock()
        while True:
            asked = self._clock()
            left = max(0.0, deadline - asked)
            turn = await self._reserve(traffic, left, waited=asked - begun)
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
                await self._sleep(max(0.02, turn.again) + random.uniform(0, self._rate.near / 5))

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

    async def _reserve(self, traffic: Traffic, left: float, *, waited: float) -> _Turn:
        """A slot within ``left`` seconds, or how far away one is."""
        rate, silence = self._rate, self._banned_until - self._clock()
        near = left if traffic == "reader" else min(left, rate.near)
        starves_after = rate.starves_after(traffic)
        # The pages of an order are asked for one after another: none of them should wait that long anew.
        may_starve = traffic == "order" or waited > starves_after
        try:
            granted, micros, banned = await self._script(
                keys=self._keys,
                args=[
                    traffic,
                    _micros(rate.spacing),
                    rate.count,
                    _micros(rate.window),
                    rate.count - rate.kept_free(traffic),
                    _micros(rate.step),
                    rate.half,
                    _micros(near),
                    _micros(min(left, rate.window / 12)),
                    _micros(starves_after) if may_starve else 0,
                    round(silence * 1000) if silence > 0 else 0,
                ],
            )
        except REDIS_FAULTS:
            if silence > 0:
                return _Turn(False, silence, silence, banned=True)
            return self._alone.reserve(self._clock(), traffic, waiting=self._waiting, waited=waited)
        self._alone.end()
        wait = int(micros) / _MICRO
        if banned:
            self._banned_until = max(self._banned_until, self._clock() + wait)
            return _Turn(bool(granted), wait, wait, banned=True)
        return _Turn(bool(granted), wait, min(wait - near, rate.step / 2))


class _OwnPace:
    """Without Redis: a pace so slow that several processes together keep the limit.

    It begins a little after Redis was lost, since losing one command is no reason to leave the common pace.
    """

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._last = self._last_upkeep = self._last_asked = float("-inf")
        self._begun: float | None = None

    def note(self, now: float) -> None:
        """A call left."""
        self._last = now

    def end(self) -> None:
        self._begun = None

    def reserve(self, now: float, traffic: Traffic, *, waiting: Counter[Traffic], waited: float) -> _Turn:
        """Only a slot that is due now and that nobody more urgent waits for; until then Redis is asked."""
        if self._begun is None:
            self._begun = now
        slot = max(now, self._begun + _GRACE, self._last + self._rate.alone)
        if traffic == "upkeep":
            slot = max(slot, self._last_upkeep + self._upkeep_spacing(now))
        else:
            self._last_asked = now
        if slot > now:
            return _Turn(False, slot - now, min(slot - now, _GRACE))
        starving = waited > 4 * self._rate.alone
        if not starving and any(waiting[other] for other in _MORE_URGENT[traffic]):
            return _Turn(False, _GRACE / 10, _GRACE / 10)
        self._last = now
        if traffic == "upkeep":
            self._last_upkeep = now
        return _Turn(True, 0.0, alone=True)

    def _upkeep_spacing(self, now: float) -> float:
        shared = now - self._last_asked < self._rate.window
        most = self._rate.half if shared else self._rate.count - self._rate.reserve
        return self._rate.alone * self._rate.count / most


def _micros(seconds: float) -> int:
    return round(seconds * _MICRO)


def _obey_cancellation() -> None:
    """redis-py sends through ``asyncio.wait_for``, which on Python 3.11 can swallow a cancellation."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


# The clock of Redis decides. ``slots`` holds the last slots given out, some of which may lie ahead, and
# ``upkeep`` those of upkeep; ``stepped`` is the last slot that was no reader's, ``order`` the last order's.
# ``asked`` is when a reader or an order last asked; ``order_waits`` until when an order counts as in line.
# A slot more than ten minutes ahead was given out before that clock was set back.
_RESERVE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local traffic = ARGV[1]
local spacing, count, window = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local most, step, half = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local near, far, starves = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local own_ban = tonumber(ARGV[11])
local slots, stepped, ban_key, order, upkeep, asked, order_waits = unpack(KEYS)

local lives = math.ceil(window / 500)
local function remember(key, value) redis.call('SET', key, string.format('%.0f', value), 'PX', lives) end
local function recall(key) return tonumber(redis.call('GET', key) or 0) end

if traffic ~= 'upkeep' then remember(asked, now) end
local ban = redis.call('PTTL', ban_key)
if own_ban > ban and own_ban > 0 then
  redis.call('SET', ban_key, 1, 'PX', own_ban)
  ban = own_ban
end
if ban > 0 then return {0, ban * 1000, 1} end

local last = tonumber(redis.call('LINDEX', slots, -1) or 0)
if last > now + window + 600000000 then
  redis.call('DEL', slots, stepped, order, upkeep, asked, order_waits)
  last = 0
end
local slot = math.max(now, last + spacing)
local function keep_window(key, limit)
  local oldest = redis.call('LINDEX', key, -limit)
  if oldest then slot = math.max(slot, tonumber(oldest) + window) end
end
keep_window(slots, count)

local horizon = near
if traffic ~= 'reader' then
  local own = traffic == 'order' and recall(order) or tonumber(redis.call('LINDEX', upkeep, -1) or 0)
  local soonest, last_step = math.max(slot, now + near), recall(stepped)
  local starving = starves > 0 and slot - own > starves
  if starving then
    slot = math.max(slot, last_step + 2 * step)
  else
    keep_window(slots, most)
    slot = math.max(slot, last_step + step)
    if traffic == 'upkeep' then slot = math.max(slot, recall(order_waits)) end
  end
  if traffic == 'upkeep' and now - recall(asked) < window then
    keep_window(upkeep, half)
    slot = math.max(slot, own + window / half)
  end
  -- booked ahead is only what a reader could not have earlier, since no slot is given out before the last
  if starving and slot <= soonest then horizon = far end
end

local wait = slot - now
if wait > horizon then
  if traffic == 'order' then remember(order_waits, now + 2 * step) end
  return {0, wait, 0}
end
local function note(key, kept)
  redis.call('RPUSH', key, string.format('%.0f', slot))
  redis.call('LTRIM', key, -kept, -1)
  redis.call('PEXPIRE', key, lives)
end
note(slots, count)
if traffic ~= 'reader' then remember(stepped, slot) end
if traffic == 'order' then remember(order, slot) end
if traffic == 'upkeep' then note(upkeep, half) end
return {1, wait, 0}
"""

_BAN = """
if tonumber(ARGV[1]) > redis.call('PTTL', KEYS[1]) then redis.call('SET', KEYS[1], 1, 'PX', ARGV[1]) end
"""
