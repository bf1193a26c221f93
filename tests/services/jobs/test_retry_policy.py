"""What becomes of a job after a failure."""

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
from app.services.jobs.retry_policy import GiveUp, JobTimings, TooSlow, TryAgain, is_bug, judge
from app.utils.db.database import DatabaseUnavailable

TIMINGS = JobTimings()


def verdict(
    error: Exception, *, attempts: int = 1, age: float = 0, kind: str = "anime.sync"
) -> GiveUp | TryAgain:
    return judge(error, kind=kind, attempts=attempts, age=age, timings=TIMINGS)


@pytest.mark.parametrize(
    "error", [NotFound("MyAnimeList has no title 7."), Invalid("no"), Forbidden("no"), UpstreamDisabled("no")]
)
def test_what_will_not_pass_by_itself_fails_at_once_with_its_reason(error: AppError) -> None:
    assert verdict(error) == GiveUp(error.message)


@pytest.mark.parametrize(
    "error",
    [
        UpstreamError("x"),
        UpstreamTimeout("x"),
        UpstreamUnavailable("x"),
        ServiceUnavailable("x"),
        DatabaseUnavailable("x"),
        UnreadableJob("x"),
        TooSlow("x"),
        RuntimeError("x"),
    ],
)
def test_what_may_pass_is_tried_five_times(error: Exception) -> None:
    verdicts = [verdict(error, attempts=attempt) for attempt in range(1, 6)]
    assert all(isinstance(one, TryAgain) and one.counted for one in verdicts[:4])
    assert isinstance(verdicts[4], GiveUp)


def test_the_delay_doubles_with_jitter_up_to_a_limit() -> None:
    for attempt, middle in ((1, 5), (2, 10), (3, 20), (4, 40)):
        delays = [verdict(RuntimeError(), attempts=attempt).delay for _ in range(200)]  # type: ignore[union-attr]
        assert min(delays) >= middle * 0.5
        assert max(delays) <= middle * 1.5
        assert max(delays) > min(delays) * 1.2
    patient = JobTimings(backoff=500, longest_backoff=600)
    late = judge(RuntimeError(), kind="anime.sync", attempts=4, age=0, timings=patient)
    assert isinstance(late, TryAgain)
    assert late.delay <= 900


@pytest.mark.parametrize("error", [UpstreamUnavailable(retry_after=60), RateLimited(retry_after=60)])
@pytest.mark.parametrize("attempts", [1, 5])
def test_a_refusal_that_names_its_end_is_waited_for_and_is_no_attempt(error: AppError, attempts: int) -> None:
    put_off = verdict(error, attempts=attempts)
    assert isinstance(put_off, TryAgain)
    assert not put_off.counted
    assert 60 <= put_off.delay <= 65


def test_waiting_has_an_end() -> None:
    day = 24 * 3600
    assert isinstance(verdict(UpstreamUnavailable(retry_after=60), age=day - 100), TryAgain)
    assert isinstance(verdict(UpstreamUnavailable(retry_after=60), age=day - 50), GiveUp)
    assert isinstance(verdict(UpstreamUnavailable(retry_after=2 * day)), GiveUp)


def test_an_end_that_is_now_does_not_make_a_busy_loop() -> None:
    put_off = verdict(UpstreamUnavailable(retry_after=0))
    assert isinstance(put_off, TryAgain)
    assert put_off.delay >= 1


def test_a_bug_says_nothing_of_itself_in_the_row() -> None:
    for error in (RuntimeError("password=hunter2"), KeyError("x"), ValueError("select * from users")):
        assert is_bug(error)
        assert verdict(error, attempts=5) == GiveUp("Internal error.")


def test_a_reason_fits_into_a_row() -> None:
    given = verdict(NotFound("\x00\ud800" + "x" * 5000))
    assert isinstance(given, GiveUp)
    assert len(given.reason) <= 500
    assert "\x00" not in given.reason
    given.reason.encode()
