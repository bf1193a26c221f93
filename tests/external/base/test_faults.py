"""The meaning of statuses other than 200, and bounds of Retry-After."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from app.errors import NotFound, UpstreamError, UpstreamUnavailable
from app.external.base.faults import of_status, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), (" 7 ", 7), ("1.5", 1.5), ("0", 1), ("99999", 900), ("-5", None), ("nan", None), ("inf", None),
     ("soon", None), ("", None), (None, None), ("Mon, 32 Foo", None)],
)  # fmt: skip
def test_retry_after_in_seconds(text: str | None, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


def test_retry_after_as_a_date() -> None:
    now = datetime.now(UTC)
    assert seconds_of(format_datetime(now + timedelta(seconds=120), usegmt=True)) == pytest.approx(120, abs=3)
    assert seconds_of(format_datetime(now - timedelta(hours=1), usegmt=True)) == 1
    assert seconds_of(format_datetime(now + timedelta(days=1), usegmt=True)) == 900
    assert seconds_of("Wed, 21 Oct 2015 07:28:00") == 1


def test_404_is_an_answer() -> None:
    failure = of_status("jikan", "Jikan", 404, None)
    assert isinstance(failure.error, NotFound)
    assert (failure.verdict, failure.retry) == ("up", False)


@pytest.mark.parametrize(
    ("header", "silence"), [("7", 7), (None, 60), ("-5", 60), ("garbage", 60), ("99999", 900)]
)
def test_429_always_causes_a_ban(header: str | None, silence: float) -> None:
    failure = of_status("jikan", "Jikan", 429, header)
    assert isinstance(failure.error, UpstreamUnavailable)
    assert failure.error.retry_after == silence
    assert (failure.retry_after, failure.retry, failure.verdict) == (silence, True, "down")


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 599])
def test_server_faults_are_retried(status: int) -> None:
    failure = of_status("jikan", "Jikan", status, None)
    assert type(failure.error) is UpstreamError
    assert (failure.retry, failure.verdict, failure.retry_after) == (True, "down", None)
    assert of_status("jikan", "Jikan", status, "9").retry_after == 9


@pytest.mark.parametrize("status", [201, 204, 301, 302, 400, 401, 403, 405, 410, 422])
def test_other_statuses_do_not_count_for_the_breaker(status: int) -> None:
    failure = of_status("jikan", "Jikan", status, None)
    assert type(failure.error) is UpstreamError
    assert (failure.retry, failure.verdict) == (False, "up")
