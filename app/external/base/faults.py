"""An attempt that brought no answer: what it means for the caller, the breaker and the next attempt."""

import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal

from app.errors import AppError, NotFound, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.utils.clock import utc_now

Verdict = Literal["up", "down", "unknown"]

LONGEST_SILENCE = 900.0  # seconds; no Retry-After keeps us silent for longer
_SILENCE_UNTOLD = 60.0  # seconds, after a 429 that names no time
_COME_BACK = 5.0  # seconds that a client is told to wait when nobody knows better


class UpstreamFault(Exception):
    """``error`` is what the caller gets in the end; ``verdict`` is what it says of the upstream's health.

    ``retry_after`` is how many seconds the upstream asks not to be called, by any process.
    """

    def __init__(
        self,
        error: AppError,
        *,
        outcome: str,
        verdict: Verdict,
        retry: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.outcome = outcome
        self.verdict = verdict
        self.retry = retry
        self.retry_after = retry_after

    @property
    def of_host(self) -> bool:
        """Whether another host of the same upstream may do better: this one fails, or refuses us."""
        limited = self.outcome in {"limit", "ban", "limited"}
        return not limited and (self.verdict != "up" or self.outcome == "rejected")


def of_status(
    name: str, title: str, status: int, header: str | None, *, told: AppError | None = None
) -> UpstreamFault:
    """What an answer other than 200 means; ``told`` is what the upstream itself says of a refusal."""
    details = {"upstream": name, "status": status}
    if status == 404:
        return UpstreamFault(NotFound(f"{title} has no such thing."), outcome="not_found", verdict="up")
    if status == 429:
        retry_after = seconds_of(header) or _SILENCE_UNTOLD
        told = UpstreamUnavailable(f"{title} asks us to slow down.", retry_after=retry_after, details=details)
        return UpstreamFault(told, outcome="limited", verdict="down", retry=True, retry_after=retry_after)
    error = UpstreamError(f"{title} answered {status}.", retry_after=_COME_BACK, details=details)
    asked = seconds_of(header)
    if status == 408 or status >= 500:
        return UpstreamFault(error, outcome="server_error", verdict="down", retry=True, retry_after=asked)
    return UpstreamFault(told or error, outcome="rejected", verdict="up", retry_after=asked)


def out_of_time(name: str, title: str) -> UpstreamFault:
    error = UpstreamTimeout(
        f"{title} did not answer in time.", retry_after=_COME_BACK, details={"upstream": name}
    )
    return UpstreamFault(error, outcome="timeout", verdict="down", retry=True)


def unreachable(name: str, title: str) -> UpstreamFault:
    error = UpstreamUnavailable(
        f"{title} cannot be reached.", retry_after=_COME_BACK, details={"upstream": name}
    )
    return UpstreamFault(error, outcome="unreachable", verdict="down", retry=True)


def broken_off(name: str, title: str) -> UpstreamFault:
    """The connection ended before the answer did."""
    error = UpstreamError(
        f"{title} broke off its answer.", retry_after=_COME_BACK, details={"upstream": name}
    )
    return UpstreamFault(error, outcome="broken_off", verdict="down", retry=True)


def unreadable(name: str, title: str, why: str) -> UpstreamFault:
    """It answered 200 with something that is not its contract; another attempt would not mend that."""
    error = UpstreamError(f"{title} answered with {why}.", details={"upstream": name})
    return UpstreamFault(error, outcome="unreadable", verdict="down")


def not_asked(name: str, title: str, retry_after: float, *, outcome: str, why: str) -> UpstreamFault:
    """We did not call at all."""
    error = UpstreamUnavailable(
        f"{title} is not asked now: {why}.", retry_after=retry_after, details={"upstream": name}
    )
    return UpstreamFault(error, outcome=outcome, verdict="unknown")


def seconds_of(retry_after: str | None) -> float | None:
    """Seconds of retry_after that the header asks for, 1 to 900; ``None`` where it cannot be understood."""
    text = (retry_after or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        return _seconds_until(text)
    if not math.isfinite(seconds) or seconds < 0:
        return None
    return min(max(seconds, 1.0), LONGEST_SILENCE)


def _seconds_until(text: str) -> float | None:
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = (when.replace(tzinfo=when.tzinfo or UTC) - utc_now()).total_seconds()
    return min(max(seconds, 1.0), LONGEST_SILENCE)
