"""Single flight: concurrent callers of a key share one run, in the process and across processes."""

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
_RESULT_TTL = 10_000  # milliseconds for which waiters in other processes can fetch the result
_POLLS = (0.01, 0.02, 0.04)  # seconds between polls of a leader in another process; the last one repeats


class SingleFlight:
    """Runs the work of a key at most once at a time across processes; all callers get its result.

    The work must check again whether it is still needed: it may start just after another run has finished.
    An exception reaches the callers in this process; other processes then run the work themselves.
    Without Redis there is one run per process. A dead leader is replaced after ``lease`` seconds.
    """

    def __init__(self, redis: Redis, *, lease: float = 1.5) -> None:
        self._redis = redis
        self._lease = lease
        self._lease_ms = round(lease * 1000)
        self._finish: Any = redis.register_script(_FINISH)
        self._extend: Any = redis.register_script(_EXTEND)
        self._flights: dict[str, asyncio.Task[bytes]] = {}

    def is_running(self, key: str) -> bool:
        """Whether this process already runs or awaits the work of ``key``."""
        return key in self._flights

    async def join(self, key: str, work: Work, *, seconds: float) -> bytes:
        """Return the result of the work of ``key``; raises ``TimeoutError`` after ``seconds``.

        Neither a timeout nor a cancelled caller stops the work: the next caller may use its result.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._run(key, work), name=f"flight {key}")
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._remove(key, done))
        done, _ = await asyncio.wait({flight}, timeout=seconds)
        if not done:
            flight.add_done_callback(_log_late_failure)
            raise TimeoutError(f"{key} took longer than {seconds} s")
        return flight.result()

    async def close(self) -> None:
        """Cancel all running work."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _remove(self, key: str, flight: asyncio.Task[bytes]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # mark as retrieved: there may be no caller left

    async def _run(self, key: str, work: Work) -> bytes:
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
        """Become the leader of the key and return None, or return the token of the current leader."""
        holder: Any = await self._redis.set(_PREFIX + key, token, nx=True, get=True, px=self._lease_ms)
        return None if holder is None else _text(holder)

    async def _lead(self, key: str, token: str, work: Work) -> bytes:
        heartbeat = start(self._extend_lease(key, token), "heartbeat of a flight")
        outcome = b""
        try:
            outcome = await work()
        finally:
            heartbeat.cancel()
            await self._publish(key, token, outcome)
        return outcome

    async def _extend_lease(self, key: str, token: str) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self._extend(keys=[_PREFIX + key], args=[token, self._lease_ms])
            except REDIS_FAULTS:
                continue

    async def _publish(self, key: str, token: str, outcome: bytes) -> None:
        """Store the result for waiters in other processes and release the key."""
        try:
            await self._finish(keys=[_PREFIX + key, _PREFIX + token], args=[token, outcome, _RESULT_TTL])
        except REDIS_FAULTS:
            return  # the lease expires by itself

    async def _await_outcome(self, key: str, leader: str) -> bytes | None:
        """The leader's result, or ``None`` if it ended without one."""
        pauses = iter(_POLLS)
        while True:
            await asyncio.sleep(next(pauses, _POLLS[-1]))
            found: list[Any] = await self._redis.mget(_PREFIX + leader, _PREFIX + key)
            outcome, holder = found
            if outcome is not None:
                return bytes(outcome)
            if holder is None or _text(holder) != leader:
                return None


def _log_late_failure(flight: "asyncio.Task[bytes]") -> None:
    """Log a failure that no caller waited for; a warning, since a slow upstream failing is no bug."""
    if not flight.cancelled() and (error := flight.exception()):
        _log.warning(
            "flight.failed_after_timeout", extra={"flight": flight.get_name(), "error": repr(error)[:200]}
        )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


# An empty result means that the work raised: nothing is stored, and waiters run it themselves.
_FINISH = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end
"""

_EXTEND = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
"""
