"""What becomes of a job after an attempt failed: pure rules, and the figures they use."""

import random
from dataclasses import dataclass

from app.errors import AppError, RateLimited, ServiceUnavailable, UpstreamFailure, UpstreamUnavailable
from app.schemas.jobs import JOBS, Job, UnreadableJob
from app.utils.db.database import DatabaseUnavailable, UnstorableValue


@dataclass(frozen=True, slots=True)
class JobTimings:
    """All in seconds. A lease outlives three heartbeats, so one that is late costs nothing."""

    lease: float = 20.0
    heartbeat: float = 5.0
    promotion_check: float = 1.0  # how often a run of upkeep looks whether it was ordered meanwhile
    quiet: float = 10.0  # a message that was sent this long ago and led to nothing is sent again
    backoff: float = 5.0  # before the second attempt; doubles with each further one
    longest_backoff: float = 600.0
    patience: float = 24 * 3600.0  # how long a job may be put off before it fails
    keep: float = 30 * 24 * 3600.0  # finished jobs
    keep_unowned: float = 3 * 24 * 3600.0  # successes of the scheduler's own jobs


class TooSlow(Exception):
    """The attempt was stopped at the time limit of its kind."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The job fails for good."""

    reason: str


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The job is queued once more, in ``delay`` seconds; ``counted`` if this was a real attempt."""

    delay: float
    reason: str
    counted: bool = True


_PASSES = (UpstreamFailure, ServiceUnavailable, RateLimited)
_LONGEST_REASON = 500


def judge(
    error: BaseException, *, kind: str, attempts: int, age: float, timings: JobTimings
) -> GiveUp | TryAgain:
    """The verdict on a job of ``kind`` whose ``attempts``-th attempt ended in ``error``."""
    reason = _reason(error)
    if isinstance(error, RateLimited | UpstreamUnavailable) and error.retry_after is not None:
        return _put_off(error.retry_after, reason, age, timings)
    if isinstance(error, AppError | UnstorableValue) and not isinstance(error, _PASSES):
        return GiveUp(reason)
    return after_attempt(reason, kind=kind, attempts=attempts, timings=timings)


def after_attempt(reason: str, *, kind: str, attempts: int, timings: JobTimings) -> GiveUp | TryAgain:
    """The verdict on a failure that may pass by itself."""
    if attempts >= JOBS.get(kind, Job).max_attempts:
        return GiveUp(reason)
    delay = min(timings.backoff * 2 ** (attempts - 1), timings.longest_backoff)
    return TryAgain(delay * random.uniform(0.5, 1.5), reason)


def _put_off(retry_after: float, reason: str, age: float, timings: JobTimings) -> GiveUp | TryAgain:
    """Nobody was asked, so this was no attempt; jitter keeps a crowd from coming back at once."""
    delay = max(retry_after, 1.0)
    if age + delay > timings.patience:
        return GiveUp(reason)
    return TryAgain(delay + random.uniform(0, min(delay, 5.0)), reason, counted=False)


def is_bug(error: BaseException) -> bool:
    return not isinstance(error, AppError | TooSlow | UnreadableJob | DatabaseUnavailable | UnstorableValue)


def _reason(error: BaseException) -> str:
    """What the row says; a bug shows nothing of itself there."""
    if isinstance(error, DatabaseUnavailable):
        return "The database did not answer."
    if is_bug(error):
        return "Internal error."
    return str(error)[:_LONGEST_REASON].encode("utf-8", "replace").decode().replace("\x00", "")
