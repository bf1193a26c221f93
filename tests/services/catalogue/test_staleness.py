"""Freshness by status, never synced titles, jitter."""

from datetime import UTC, datetime, timedelta

import pytest

from app.schemas.domain.anime import Status
from app.services.catalogue.staleness import FRESH_FOR, age_in_seconds, is_fresh, jittered, stale_before

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("status", FRESH_FOR)
def test_a_title_is_fresh_up_to_its_time_and_not_at_it(status: Status | None) -> None:
    edge = NOW - FRESH_FOR[status]
    assert is_fresh(status, edge + SECOND, NOW)
    assert not is_fresh(status, edge, NOW)
    assert stale_before(NOW)[status] == edge


def test_airing_titles_go_stale_before_upcoming_and_finished_ones() -> None:
    assert FRESH_FOR["airing"] < FRESH_FOR["upcoming"] < FRESH_FOR["finished"]


def test_a_title_that_only_came_from_a_dump_is_stale_and_has_no_age() -> None:
    assert not is_fresh("finished", None, NOW)
    assert age_in_seconds(None, NOW) is None


def test_age_counts_whole_seconds_and_is_never_negative() -> None:
    assert age_in_seconds(NOW - timedelta(seconds=90.9), NOW) == 90
    assert age_in_seconds(NOW + SECOND, NOW) == 0


def test_jitter_stays_within_a_tenth_and_spreads() -> None:
    ttl = timedelta(minutes=10)
    drawn = {jittered(ttl) for _ in range(200)}
    assert all(ttl * 0.9 <= one <= ttl * 1.1 for one in drawn)
    assert len(drawn) > 100
