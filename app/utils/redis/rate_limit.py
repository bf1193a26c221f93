"""Rate limiting of upstream calls across processes: slots are reserved in Redis, by traffic class."""

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

# Traffic classes, most urgent first: a request with a waiting client, a requested sync, a background refresh.
Traffic = Literal["reader", "order", "upkeep"]

_MORE_URGENT: dict[Traffic, tuple[Traffic, ...]] = {
    "reader": (),
    "order": ("reader",),
    "upkeep": ("reader", "order"),
}
_PREFIX = "limit:"
_PARTS = ("slots", "stepped", "ban", "order", "upkeep", "asked", "order_waits")
_LATE = 0.2  # seconds; a caller that wakes later than this after its slot reserves another
_GRACE = 1.0  # seconds without Redis before a process switches to its own pace
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """All times in seconds: calls are at least ``spacing`` apart, at most ``count`` in any ``window``.

    Orders and upkeep together are evenly ``step`` apart, so that at most ``count - reserve`` of them fall
    into a window and their slots expire evenly: readers find ``reserve`` slots at once, then one per step.
    Without Redis a process keeps ``alone`` seconds between its calls.
    """

    spacing: float
    count: int
    window: float
    reserve: int
    alone: float

    @classmethod
    def of(cls, *, per_second: float, per_minute: int) -> "Rate":
        """The rate that stays within an upstream's limits, with a margin for jitter and for three processes.

        The spacing is generous because network latency can move two calls together by half a second; it
        does not reduce the calls per minute.
        """
        spacing = 1.5 / per_second
        alone = max(spacing, 180 / per_minute)
        return cls(spacing, per_minute, window=60.5, reserve=per_minute // 10, alone=alone)

    @property
    def step(self) -> float:
        """Seconds between two calls of orders and upkeep."""
        return self.window / (self.count - self.reserve)

    @property
    def half(self) -> int:
        """The maximum of upkeep calls in a window that has other traffic."""
        return max(1, self.count // 2)

    @property
    def near(self) -> float:
        """Seconds that orders and upkeep may reserve ahead; small, so that they do not delay a reader."""
        return self.step / 4

    def kept_free(self, traffic: Traffic) -> int:
        """The slots of a window that this traffic class leaves to more urgent ones."""
        return {"reader": 0, "order": self.reserve // 2, "upkeep": self.reserve}[traffic]

    def starves_after(self, traffic: Traffic) -> float:
        """Seconds without a slot after which a class gets one regardless of more urgent traffic."""
        return {"reader": 0.0, "order": self.window / 20, "upkeep": self.window / 3}[traffic]


class LimitReached(Exception):
    """No slot before the deadline; ``retry_after`` is in seconds, ``banned`` if the upstream banned us."""

    def __init__(self, retry_after: float, *, banned: bool) -> None:
        super().__init__(f"no slot before the deadline; the next is {retry_after:.1f} s away")
        self.retry_after = retry_after
        self.banned = banned


@dataclass(frozen=True, slots=True)
class _Reservation:
    """A slot ``wait`` seconds from now; if not ``granted``, the estimated wait, and when to ask again."""

    granted: bool
    wait: float
    ask_again_in: float = 0.0
    banned: bool = False
    local: bool = False


class SharedLimiter:
    """Reserves slots for calls to the upstream ``name`` across all processes that share a Redis."""

    def __init__(
        self,
        name: str,
        rate: Rate,
        redis: Redis,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.pace(rate)
        self._redis = redis
        self._clock = clock
        self._sleep = sleep
        self._keys = [f"{_PREFIX}{{{name}}}:{part}" for part in _PARTS]
        self._script: Any = redis.register_script(_RESERVE)
        self._extend_ban: Any = redis.register_script(_BAN)
        # FIFO: one caller per class and process asks Redis at a time
        self._queues: dict[Traffic, asyncio.Lock] = {"order": asyncio.Lock(), "upkeep": asyncio.Lock()}
        self._waiting: Counter[Traffic] = Counter()
        self._banned_until = float("-inf")

    async def acquire(
        self, *, traffic: Traffic, max_wait: float, promoted: asyncio.Event | None = None
    ) -> float:
        """Wait until the call may be sent; returns the seconds waited.

        Once ``promoted`` is set, an upkeep call waits as an order. Raises :class:`LimitReached` as soon as
        it is clear that no slot comes within ``max_wait`` seconds.
        """
        started = self._clock()
        if traffic == "upkeep" and promoted is not None:
            await self._wait_until_promoted(started + max_wait, promoted)
        else:
            await self._wait(traffic, started + max_wait)
        await self._pacer.acquire()
        now = self._clock()
        self._fallback.note(now)
        return now - started

    def pace(self, rate: Rate) -> None:
        """Use another rate in this process from now on; each process learns it from its own responses."""
        self._rate = rate
        self._pacer = AsyncLimiter(1, rate.spacing * 0.95)
        self._fallback = _LocalPace(rate)

    async def ban(self, seconds: float) -> None:
        """Send no call from any process for ``seconds``; a longer ban is never shortened."""
        self._banned_until = max(self._banned_until, self._clock() + seconds)
        try:
            await self._extend_ban(keys=[self._keys[2]], args=[round(seconds * 1000)])
        except REDIS_FAULTS:
            return  # the next reservation that reaches Redis passes it on

    async def _wait_until_promoted(self, deadline: float, promoted: asyncio.Event) -> None:
        """Wait as upkeep until the event is set, then as an order."""
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
                await self._wait_in_queue(deadline, traffic)
        finally:
            self._waiting[traffic] -= 1

    async def _wait_in_queue(self, deadline: float, traffic: Traffic) -> None:
        queue = self._queues[traffic]
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock())):
                await queue.acquire()
        except TimeoutError:
            raise LimitReached(self._waiting[traffic] * self._rate.step, banned=False) from None
        try:
            await self._take_slot(deadline, traffic)
        finally:
            queue.release()

    async def _take_slot(self, deadline: float, traffic: Traffic) -> None:
        started = self._clock()
        while True:
            asked = self._clock()
            left = max(0.0, deadline - asked)
            reservation = await self._reserve(traffic, left, waited=asked - started)
            # A slot of Redis is relative to the request, a local one to the moment Redis was given up.
            slot = (self._clock() if reservation.local else asked) + reservation.wait
            _raise_if_cancelled()
            if reservation.granted:
                if reservation.wait > 0:
                    await self._sleep(reservation.wait)
                lost = await self._is_lost(slot, waited=reservation.wait)
                _raise_if_cancelled()
                if not lost:
                    return
            elif reservation.wait > left:
                raise LimitReached(reservation.wait, banned=reservation.banned)
            else:
                jitter = random.uniform(0, self._rate.near / 5)
                await self._sleep(max(0.02, reservation.ask_again_in) + jitter)

    async def _is_lost(self, slot: float, *, waited: float) -> bool:
        """Whether the slot passed while we slept, or the upstream was banned meanwhile."""
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

    async def _reserve(self, traffic: Traffic, left: float, *, waited: float) -> _Reservation:
        """Reserve a slot within ``left`` seconds, or return how far away the next one is."""
        rate, ban = self._rate, self._banned_until - self._clock()
        near = left if traffic == "reader" else min(left, rate.near)
        starves_after = rate.starves_after(traffic)
        # An order fetches its pages one after another; the starvation time must not apply to each page anew.
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
                    round(ban * 1000) if ban > 0 else 0,
                ],
            )
        except REDIS_FAULTS:
            if ban > 0:
                return _Reservation(False, ban, ban, banned=True)
            return self._fallback.reserve(self._clock(), traffic, waiting=self._waiting, waited=waited)
        self._fallback.end()
        wait = int(micros) / _MICRO
        if banned:
            self._banned_until = max(self._banned_until, self._clock() + wait)
            return _Reservation(bool(granted), wait, wait, banned=True)
        return _Reservation(bool(granted), wait, min(wait - near, rate.step / 2))


class _LocalPace:
    """The pace of a process without Redis, slow enough for several processes to stay within the limit.

    It starts after a grace period, because a single failed command does not mean that Redis is down.
    """

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._last = self._last_upkeep = self._last_asked = float("-inf")
        self._down_since: float | None = None

    def note(self, now: float) -> None:
        """Record that a call was sent."""
        self._last = now

    def end(self) -> None:
        """Stop: Redis is available again."""
        self._down_since = None

    def reserve(
        self, now: float, traffic: Traffic, *, waiting: Counter[Traffic], waited: float
    ) -> _Reservation:
        """Grant a slot if it is due now and no more urgent call waits, otherwise ask Redis again."""
        if self._down_since is None:
            self._down_since = now
        slot = max(now, self._down_since + _GRACE, self._last + self._rate.alone)
        if traffic == "upkeep":
            slot = max(slot, self._last_upkeep + self._upkeep_spacing(now))
        else:
            self._last_asked = now
        if slot > now:
            return _Reservation(False, slot - now, min(slot - now, _GRACE))
        starving = waited > 4 * self._rate.alone
        if not starving and any(waiting[other] for other in _MORE_URGENT[traffic]):
            return _Reservation(False, _GRACE / 10, _GRACE / 10)
        self._last = now
        if traffic == "upkeep":
            self._last_upkeep = now
        return _Reservation(True, 0.0, local=True)

    def _upkeep_spacing(self, now: float) -> float:
        shared = now - self._last_asked < self._rate.window
        most = self._rate.half if shared else self._rate.count - self._rate.reserve
        return self._rate.alone * self._rate.count / most


def _micros(seconds: float) -> int:
    return round(seconds * _MICRO)


def _raise_if_cancelled() -> None:
    """Redis-py uses ``asyncio.wait_for``, which on Python 3.11 can swallow a cancellation."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


# All times are microseconds of the clock of Redis. ``slots`` holds the latest reserved slots, some of them in
# the future, and ``upkeep`` those of upkeep; ``stepped`` is the latest slot of an order or upkeep, ``order``
# the latest of an order. ``asked`` is when a reader or an order last asked, ``order_waits`` until when an
# order counts as waiting. A slot over ten minutes ahead means that the clock was set back: start over.
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
  -- reserve far ahead only where a reader could not go earlier: slots are handed out in ascending order
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
