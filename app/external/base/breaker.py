"""A circuit breaker: an upstream that keeps failing is not called for a while."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app.logs import log


class BreakerOpen(Exception):
    """The breaker is open for another ``retry_after`` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"open for another {retry_after:.1f} s")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Ticket:
    """Admission of a call; results of calls admitted before the last state change are ignored."""

    era: int


class Breaker:
    """Opens when at least ``share`` of the last ``calls`` calls failed, given at least ``min_calls``.

    Only calls of the last ``window`` seconds count. After ``open_seconds`` open, one probe call is admitted;
    its result closes the breaker or keeps it open for as long again.
    """

    def __init__(
        self,
        name: str,
        *,
        calls: int = 16,
        min_calls: int = 8,
        share: float = 0.5,
        window: float = 60.0,
        open_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._min_calls, self._share, self._window, self._open_seconds = (
            min_calls,
            share,
            window,
            open_seconds,
        )
        self._clock = clock
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=calls)
        self._era = 0
        self._open_until: float | None = None  # None while closed
        self._probe_ends = float("-inf")

    @property
    def is_open(self) -> bool:
        return self._open_until is not None

    def admit(self) -> Ticket:
        """Admit a call, or raise :class:`BreakerOpen`."""
        if self._open_until is not None:
            now = self._clock()
            if now < self._open_until:
                raise BreakerOpen(self._open_until - now)
            if now < self._probe_ends:
                raise BreakerOpen(1.0)
            self._probe_ends = now + self._open_seconds
        return Ticket(self._era)

    def settle(self, ticket: Ticket, *, up: bool | None) -> None:
        """Record the result of a call; ``up`` is None if it says nothing about the upstream's health."""
        if ticket.era != self._era:
            return
        now = self._clock()
        if self._open_until is not None:
            self._settle_probe(now, up=up)
        elif up is not None:
            self._outcomes.append((now, up))
            if not up and self._too_many_failures(now):
                self._open(now)

    def _settle_probe(self, now: float, *, up: bool | None) -> None:
        self._probe_ends = float("-inf")
        if up:
            self._era += 1
            self._open_until = None
            self._outcomes.clear()
            log.info("upstream.breaker_closed", upstream=self._name)
        elif up is False:
            self._open_from(now)

    def _open(self, now: float) -> None:
        self._open_from(now)
        log.warning("upstream.breaker_opened", upstream=self._name, seconds=self._open_seconds)

    def _open_from(self, now: float) -> None:
        self._era += 1
        self._open_until = now + self._open_seconds

    def _too_many_failures(self, now: float) -> bool:
        recent = [up for at, up in self._outcomes if now - at < self._window]
        return len(recent) >= self._min_calls and recent.count(False) >= self._share * len(recent)
