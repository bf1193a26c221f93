"""The retry policy."""

import pytest

from app.errors import (
    AppError,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    ServiceUnavailable,
    UpstreamDisabled,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.schemas.jobs import UnreadableJob
from app.services.jobs.retry_policy import Fail, JobTimings, Retry, TimedOut, decide, is_bug
from app.utils.db.database import DatabaseUnavailable

TIMINGS = JobTimings()


def decision(
    error: Exception, *, attempts: int = 1, age: float = 0, kind: str = "anime.sync"
) -> Fail | Retry:
    return decide(error, kind=kind, attempts=attempts, age=age, timings=TIMINGS)


@pytest.mark.parametrize(
    "error", [NotFound("MyAnimeList has no title 7."), Invalid("no"), Forbidden("no"), UpstreamDisabled("no")]
)
def test_permanent_failures_fail_at_once_with_their_reason(error: AppError) -> None:
    assert decision(error) == Fail(error.message)


@pytest.mark.parametrize(
    "error",
    [
        UpstreamError("x"),
        UpstreamTimeout("x"),
        UpstreamUnavailable("x"),
        ServiceUnavailable("x"),
        DatabaseUnavailable("x"),
        UnreadableJob("x"),
        TimedOut("x"),
        RuntimeError("x"),
    ],
)
def test_temporary_failures_are_tried_five_times(error: Exception) -> None:
    decisions = [decision(error, attempts=attempt) for attempt in range(1, 6)]
    assert all(isinstance(one, Retry) and one.counted for one in decisions[:4])
    assert isinstance(decisions[4], Fail)


def test_the_delay_doubles_with_jitter_up_to_a_limit() -> None:
    for attempt, middle in ((1, 5), (2, 10), (3, 20), (4, 40)):
        delays = [decision(RuntimeError(), attempts=attempt).delay for _ in range(200)]  # type: ignore[union-attr]
        assert min(delays) >= middle * 0.5
        assert max(delays) <= middle * 1.5
        assert max(delays) > min(delays) * 1.2
    patient = JobTimings(backoff=500, longest_backoff=600)
    late = decide(RuntimeError(), kind="anime.sync", attempts=4, age=0, timings=patient)
    assert isinstance(late, Retry)
    assert late.delay <= 900


@pytest.mark.parametrize("error", [UpstreamUnavailable(retry_after=60), RateLimited(retry_after=60)])
@pytest.mark.parametrize("attempts", [1, 5])
def test_a_refusal_with_retry_after_postpones_without_counting(error: AppError, attempts: int) -> None:
    postponed = decision(error, attempts=attempts)
    assert isinstance(postponed, Retry)
    assert not postponed.counted
    assert 60 <= postponed.delay <= 65


def test_postponement_is_bounded() -> None:
    day = 24 * 3600
    assert isinstance(decision(UpstreamUnavailable(retry_after=60), age=day - 100), Retry)
    assert isinstance(decision(UpstreamUnavailable(retry_after=60), age=day - 50), Fail)
    assert isinstance(decision(UpstreamUnavailable(retry_after=2 * day)), Fail)


def test_a_retry_after_of_zero_does_not_cause_a_busy_loop() -> None:
    postponed = decision(UpstreamUnavailable(retry_after=0))
    assert isinstance(postponed, Retry)
    assert postponed.delay >= 1


def test_a_bug_is_recorded_without_details() -> None:
    for error in (RuntimeError("password=hunter2"), KeyError("x"), ValueError("select * from users")):
        assert is_bug(error)
        assert decision(error, attempts=5) == Fail("Internal error.")


def test_a_reason_is_shortened_and_storable() -> None:
    given = decision(NotFound("\x00\ud800" + "x" * 5000))
    assert isinstance(given, Fail)
    assert len(given.reason) <= 500
    assert "\x00" not in given.reason
    given.reason.encode()
