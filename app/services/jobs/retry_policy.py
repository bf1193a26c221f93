"""The retry policy: what happens to a job after a failed attempt. Pure functions and their timings."""

import random
from dataclasses import dataclass

from app.errors import AppError, RateLimited, ServiceUnavailable, UpstreamFailure, UpstreamUnavailable
from app.schemas.jobs import JOBS, Job, UnreadableJob
from app.utils.db.database import DatabaseUnavailable, UnstorableValue


@dataclass(frozen=True, slots=True)
class JobTimings:
    """All in seconds. A lease is longer than three heartbeats, so that a late one does not lose it."""

    lease: float = 20.0
    heartbeat: float = 5.0
    promotion_check: float = 1.0  # how often a running upkeep job checks whether it was promoted
    resend_after: float = 10.0  # a notification without effect for this long is sent again
    backoff: float = 5.0  # before the second attempt; doubles with each further one
    longest_backoff: float = 600.0
    longest_postponement: float = 24 * 3600.0  # age after which a postponed job fails
    keep: float = 30 * 24 * 3600.0  # retention of finished jobs
    keep_unowned: float = 3 * 24 * 3600.0  # retention of the scheduler's own successful jobs


class TimedOut(Exception):
    """The attempt exceeded the time limit of its kind of job."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The job fails permanently."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """The job is queued again in ``delay`` seconds; ``counted`` if this was an attempt."""

    delay: float
    reason: str
    counted: bool = True


_TEMPORARY = (UpstreamFailure, ServiceUnavailable, RateLimited)
_LONGEST_REASON = 500  # characters


def decide(
    error: BaseException, *, kind: str, attempts: int, age: float, timings: JobTimings
) -> Fail | Retry:
    """What to do with a job, ``age`` seconds old, whose ``attempts``-th attempt raised ``error``."""
    reason = _reason(error)
    if isinstance(error, RateLimited | UpstreamUnavailable) and error.retry_after is not None:
        return _postpone(error.retry_after, reason, age, timings)
    if isinstance(error, AppError | UnstorableValue) and not isinstance(error, _TEMPORARY):
        return Fail(reason)
    return after_attempt(reason, kind=kind, attempts=attempts, timings=timings)


def after_attempt(reason: str, *, kind: str, attempts: int, timings: JobTimings) -> Fail | Retry:
    """What to do after a failure that may be temporary: exponential backoff, up to ``max_attempts``."""
    if attempts >= JOBS.get(kind, Job).max_attempts:
        return Fail(reason)
    delay = min(timings.backoff * 2 ** (attempts - 1), timings.longest_backoff)
    return Retry(delay * random.uniform(0.5, 1.5), reason)


def _postpone(retry_after: float, reason: str, age: float, timings: JobTimings) -> Fail | Retry:
    """No request was sent, so it does not count as an attempt; jitter prevents a thundering herd."""
    delay = max(retry_after, 1.0)
    if age + delay > timings.longest_postponement:
        return Fail(reason)
    return Retry(delay + random.uniform(0, min(delay, 5.0)), reason, counted=False)


def is_bug(error: BaseException) -> bool:
    """Whether the failure is unexpected, and its traceback worth logging."""
    return not isinstance(error, AppError | TimedOut | UnreadableJob | DatabaseUnavailable | UnstorableValue)


def _reason(error: BaseException) -> str:
    """The error text of the row, which users can see: a bug must not reveal internals."""
    if isinstance(error, DatabaseUnavailable):
        return "The database did not answer."
    if is_bug(error):
        return "Internal error."
    return str(error)[:_LONGEST_REASON].encode("utf-8", "replace").decode().replace("\x00", "")
