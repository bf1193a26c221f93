"""Failed attempts: what each means for the caller, the circuit breaker and the next attempt."""

import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal

from app.errors import AppError, NotFound, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.utils.clock import utc_now

Verdict = Literal["up", "down", "unknown"]

LONGEST_BAN = 900.0  # seconds; a longer Retry-After is cut to this
_DEFAULT_BAN = 60.0  # seconds, after a 429 without Retry-After
_CLIENT_RETRY_AFTER = 5.0  # seconds, for the client if the upstream names no time


class UpstreamFault(Exception):
    """``error`` is for the caller after the last attempt; ``verdict`` is the upstream's health.

    ``retry_after`` is the number of seconds for which no process may call the upstream.
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
        """Whether another host of the same upstream may succeed: this one failed, or rejected the request."""
        limited = self.outcome in {"limit", "ban", "limited"}
        return not limited and (self.verdict != "up" or self.outcome == "rejected")


def of_status(
    name: str, title: str, status: int, header: str | None, *, explained: AppError | None = None
) -> UpstreamFault:
    """The meaning of a status other than 200; ``header`` is its Retry-After.

    ``explained`` is the failure that the upstream's body describes, if it rejected the request.
    """
    details = {"upstream": name, "status": status}
    if status == 404:
        return UpstreamFault(NotFound(f"{title} has no such resource."), outcome="not_found", verdict="up")
    if status == 429:
        retry_after = seconds_of(header) or _DEFAULT_BAN
        limited = UpstreamUnavailable(
            f"{title} limits our requests.", retry_after=retry_after, details=details
        )
        return UpstreamFault(limited, outcome="limited", verdict="down", retry=True, retry_after=retry_after)
    error = UpstreamError(f"{title} answered {status}.", retry_after=_CLIENT_RETRY_AFTER, details=details)
    asked = seconds_of(header)
    if status == 408 or status >= 500:
        return UpstreamFault(error, outcome="server_error", verdict="down", retry=True, retry_after=asked)
    return UpstreamFault(explained or error, outcome="rejected", verdict="up", retry_after=asked)


def out_of_time(name: str, title: str) -> UpstreamFault:
    error = UpstreamTimeout(
        f"{title} did not answer in time.", retry_after=_CLIENT_RETRY_AFTER, details={"upstream": name}
    )
    return UpstreamFault(error, outcome="timeout", verdict="down", retry=True)


def unreachable(name: str, title: str) -> UpstreamFault:
    error = UpstreamUnavailable(
        f"{title} cannot be reached.", retry_after=_CLIENT_RETRY_AFTER, details={"upstream": name}
    )
    return UpstreamFault(error, outcome="unreachable", verdict="down", retry=True)


def connection_lost(name: str, title: str) -> UpstreamFault:
    """The connection was closed before the response was complete."""
    error = UpstreamError(
        f"{title} closed the connection early.", retry_after=_CLIENT_RETRY_AFTER, details={"upstream": name}
    )
    return UpstreamFault(error, outcome="broken_off", verdict="down", retry=True)


def invalid_response(name: str, title: str, why: str) -> UpstreamFault:
    """A 200 response that breaks the upstream's contract; retrying would not help."""
    error = UpstreamError(f"{title} answered with {why}.", details={"upstream": name})
    return UpstreamFault(error, outcome="unreadable", verdict="down")


def not_sent(name: str, title: str, retry_after: float, *, outcome: str, why: str) -> UpstreamFault:
    """The call was not sent."""
    error = UpstreamUnavailable(
        f"{title} is not being called: {why}.", retry_after=retry_after, details={"upstream": name}
    )
    return UpstreamFault(error, outcome=outcome, verdict="unknown")


def seconds_of(retry_after: str | None) -> float | None:
    """The seconds in a Retry-After header (number or HTTP date), 1 to 900; ``None`` if it is invalid."""
    text = (retry_after or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        return _seconds_until(text)
    if not math.isfinite(seconds) or seconds < 0:
        return None
    return min(max(seconds, 1.0), LONGEST_BAN)


def _seconds_until(text: str) -> float | None:
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = (when.replace(tzinfo=when.tzinfo or UTC) - utc_now()).total_seconds()
    return min(max(seconds, 1.0), LONGEST_BAN)
