"""One call for many askers: a future per key in the process, a short Redis lock across processes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

from app.utils.background import start
from app.utils.redis.client import REDIS_FAULTS

_log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[bytes]]

_PREFIX = "flight:"
_KEPT = 10_000  # milliseconds in which those who waited can fetch the outcome
_POLLS = (0.01, 0.02, 0.04)  # seconds between looks at a leader elsewhere; then the last, over and over


class SingleFlight:
    """Runs one piece of work per key at a time, over all processes, and gives all who wait its outcome.

    The work must look once more whether it is still needed: it may begin just after another run ended.
    What it raises reaches the waiters of this process; those of others then try for themselves.
    Without Redis there is one run a process. A leader that died is replaced after ``lease`` seconds.
    """

    def __init__(self, redis: Redis, *, lease: float = 1.5) -> None:
        self._redis = redis
        self._lease = lease
        self._lease_ms = round(lease * 1000)
        self._finish: Any = redis.register_script(_FINISH)
        self._extend: Any = redis.register_script(_EXTEND)
        self._flights: dict[str, asyncio.Task[bytes]] = {}

    def under_way(self, key: str) -> bool:
        """Whether this process runs or awaits the work of ``key`` already."""
        return key in self._flights

    async def join(self, key: str, work: Work, *, seconds: float) -> bytes:
        """The outcome of the work of ``key``; raises ``TimeoutError`` after ``seconds``.

        Neither that nor a caller who leaves stops the work: it ends in its own time, for whoever asks next.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fly(key, work), name=f"flight {key}")
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        done, _ = await asyncio.wait({flight}, timeout=seconds)
        if not done:
            flight.add_done_callback(_report_unheard)
            raise TimeoutError(f"{key} took longer than {seconds} s")
        return flight.result()

    async def close(self) -> None:
        """Give up what is under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _land(self, key: str, flight: asyncio.Task[bytes]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # whoever waited has it; nobody may have waited

    async def _fly(self, key: str, work: Work) -> bytes:
        token = uuid4().hex
        while True:
            try:
                leader = await self._claim(key, token)
                outcome = None if leader is None else await self._await_outcome(key, leader)
            except REDIS_FAULTS:
                return await work()
            if leader is None:
                return await self._lead(key, token, work)
            if outcome is not None:
                return outcome

    async def _claim(self, key: str, token: str) -> str | None:
        """``None`` when the key is ours now, else the token of its leader."""
        holder: Any = await self._redis.set(_PREFIX + key, token, nx=True, get=True, px=self._lease_ms)
        return None if holder is None else _text(holder)

    async def _lead(self, key: str, token: str, work: Work) -> bytes:
        heartbeat = start(self._keep(key, token), "heartbeat of a flight")
        outcome = b""
        try:
            outcome = await work()
        finally:
            heartbeat.cancel()
            await self._tell(key, token, outcome)
        return outcome

    async def _keep(self, key: str, token: str) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self._extend(keys=[_PREFIX + key], args=[token, self._lease_ms])
            except REDIS_FAULTS:
                continue

    async def _tell(self, key: str, token: str, outcome: bytes) -> None:
        """Leave the outcome for the waiters elsewhere and free the key; without Redis nobody waits there."""
        try:
            await self._finish(keys=[_PREFIX + key, _PREFIX + token], args=[token, outcome, _KEPT])
        except REDIS_FAULTS:
            return

    async def _await_outcome(self, key: str, leader: str) -> bytes | None:
        """What the leader found, or ``None`` when it ended without telling."""
        pauses = iter(_POLLS)
        while True:
            await asyncio.sleep(next(pauses, _POLLS[-1]))
            found: list[Any] = await self._redis.mget(_PREFIX + leader, _PREFIX + key)
            outcome, holder = found
            if outcome is not None:
                return bytes(outcome)
            if holder is None or _text(holder) != leader:
                return None


def _report_unheard(flight: "asyncio.Task[bytes]") -> None:
    """Log a failure that came after a caller had given up; upstreams fail so, which is no bug."""
    if not flight.cancelled() and (error := flight.exception()):
        _log.warning("flight.failed_unheard", extra={"flight": flight.get_name(), "error": repr(error)[:200]})


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


# An empty outcome means that the work raised: nothing is told.
_FINISH = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end
"""

_EXTEND = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
"""
