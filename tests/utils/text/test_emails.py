"""Normalisation of e-mail addresses; tests/api/test_identity.py has its effect on accounts."""

import time

import pytest

from app.utils.text.emails import LONGEST, normal_email


def seconds_for(text: str) -> float:
    started = time.perf_counter()
    with pytest.raises(ValueError, match="e-mail"):
        normal_email(text)
    return time.perf_counter() - started


@pytest.mark.parametrize("beginning", ["", "a@"])
@pytest.mark.parametrize("piece", ["x", "x@", "\ufdfa", "\u0345\u0334", "\u0390", '"', "(", "\u202e.", "ß."])
def test_parsing_time_is_bounded(beginning: str, piece: str) -> None:
    fits = (beginning + piece * LONGEST)[:LONGEST]
    longer = beginning + piece * 100_000
    usual = min(seconds_for("mio@@example.org") for _ in range(5))
    assert min(seconds_for(fits) for _ in range(3)) < 2000 * usual
    assert seconds_for(longer) < 2000 * usual
