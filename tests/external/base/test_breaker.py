"""The circuit breaker: opens on a share of failures, stays open, probes."""

import pytest

from app.external.base.breaker import Breaker, BreakerOpen
from tests.external.doubles import ManualClock


def settle(breaker: Breaker, *outcomes: bool | None) -> None:
    for up in outcomes:
        breaker.settle(breaker.admit(), up=up)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> Breaker:
    return Breaker("test", calls=8, min_calls=4, open_seconds=30.0, clock=clock)


def test_it_opens_at_half_of_enough_calls(breaker: Breaker) -> None:
    settle(breaker, False, False, True)
    assert not breaker.is_open
    settle(breaker, False)
    assert breaker.is_open
    with pytest.raises(BreakerOpen) as refusal:
        breaker.admit()
    assert refusal.value.retry_after == 30


def test_fewer_failures_than_half_leave_it_closed(breaker: Breaker) -> None:
    settle(breaker, *[True, True, False] * 10)
    assert not breaker.is_open


def test_inconclusive_calls_do_not_count(breaker: Breaker) -> None:
    settle(breaker, *[None] * 20, False, False, False)
    assert not breaker.is_open


def test_old_failures_do_not_count(breaker: Breaker, clock: ManualClock) -> None:
    settle(breaker, False, False, False)
    clock.now += 61
    settle(breaker, False)
    assert not breaker.is_open


def test_after_the_open_period_a_probe_decides(breaker: Breaker, clock: ManualClock) -> None:
    settle(breaker, *[False] * 4)
    clock.now += 29.9
    with pytest.raises(BreakerOpen):
        breaker.admit()
    clock.now += 0.1
    probe = breaker.admit()
    with pytest.raises(BreakerOpen):
        breaker.admit()
    breaker.settle(probe, up=False)
    clock.now += 29.9
    with pytest.raises(BreakerOpen):
        breaker.admit()
    clock.now += 0.1
    settle(breaker, True)
    assert not breaker.is_open
    settle(breaker, False, False, False)
    assert not breaker.is_open


def test_an_inconclusive_probe_allows_another(breaker: Breaker, clock: ManualClock) -> None:
    settle(breaker, *[False] * 4)
    clock.now += 30
    settle(breaker, None)
    settle(breaker, True)
    assert not breaker.is_open


def test_a_probe_that_never_ends_is_replaced(breaker: Breaker, clock: ManualClock) -> None:
    settle(breaker, *[False] * 4)
    clock.now += 30
    breaker.admit()
    clock.now += 30
    settle(breaker, True)
    assert not breaker.is_open


def test_results_of_earlier_calls_do_not_close_it(breaker: Breaker) -> None:
    late = breaker.admit()
    settle(breaker, *[False] * 4)
    breaker.settle(late, up=True)
    assert breaker.is_open
