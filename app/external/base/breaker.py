"""A circuit breaker: an upstream that keeps failing is left alone for a while."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app.logs import log


class BreakerOpen(Exception):
    """The upstream is not to be asked for another ``retry_after`` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"left alone for {retry_after:.1f} s")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Ticket:
    """Admission to one call; outcomes of calls admitted before the breaker last changed do not count."""

    era: int


class Breaker:
    """Opens when at least ``share`` of the last ``calls`` calls failed, of no fewer than ``least``.

    Only calls of the last ``window`` seconds count. After ``rest`` seconds one call is let through; its
    outcome closes the breaker or begins another rest.
    """

    def __init__(
        self,
        name: str,
        *,
        calls: int = 16,
        least: int = 8,
        share: float = 0.5,
        window: float = 60.0,
        rest: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._least, self._share, self._window, self._rest = least, share, window, rest
        self._clock = clock
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=calls)
        self._era = 0
        self._closed_to: float | None = None  # until when it is open; None: it is closed
        self._probe_ends = float("-inf")

    @property
    def is_open(self) -> bool:
        return self._closed_to is not None

    def admit(self) -> Ticket:
        """Let one call through, or raise :class:`BreakerOpen`."""
        if self._closed_to is not None:
            now = self._clock()
            if now < self._closed_to:
                raise BreakerOpen(self._closed_to - now)
            if now < self._probe_ends:
                raise BreakerOpen(1.0)
            self._probe_ends = now + self._rest
        return Ticket(self._era)

    def settle(self, ticket: Ticket, *, up: bool | None) -> None:
        """Tell how the call went; ``None`` when it says nothing of the upstream."""
        if ticket.era != self._era:
            return
        now = self._clock()
        if self._closed_to is not None:
            self._settle_probe(now, up=up)
        elif up is not None:
            self._outcomes.append((now, up))
            if not up and self._too_many_failures(now):
                self._open(now)

    def _settle_probe(self, now: float, *, up: bool | None) -> None:
        self._probe_ends = float("-inf")
        if up:
            self._era += 1
            self._closed_to = None
            self._outcomes.clear()
            log.info("upstream.breaker_closed", upstream=self._name)
        elif up is False:
            self._open(now)

    def _open(self, now: float) -> None:
        self._era += 1
        self._closed_to = now + self._rest
        log.warning("upstream.breaker_opened", upstream=self._name, seconds=self._rest)

    def _too_many_failures(self, now: float) -> bool:
        recent = [up for at, up in self._outcomes if now - at < self._window]
        return len(recent) >= self._least and recent.count(False) >= self._share * len(recent)
