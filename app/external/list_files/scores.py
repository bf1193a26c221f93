"""Convert the score scales of other services to 0 to 100."""

from collections.abc import Callable
from typing import NamedTuple


class Score(NamedTuple):
    """``value`` is 0 to 100; scores from ``low`` to ``high`` are equal in the service's scale."""

    value: int
    low: int
    high: int


Scale = Callable[[float], Score | None]
"""Converts a number above 0; None if it is not on the scale."""


def _even(points: int, *, step: int) -> Scale:
    """A linear scale up to ``points``; ``step`` is the width of one point in hundredths."""

    def read(number: float) -> Score | None:
        if not 0 < number <= points:
            return None
        value = int(number * 100 / points + 0.5)
        around = (step - 1) / 2 if number.is_integer() else 0.0
        return Score(value, int(value - around), min(int(value + around), 100)) if value else None

    return read


def _named(*points: Score) -> Scale:
    """A scale whose points have fixed values."""

    def read(number: float) -> Score | None:
        return points[int(number) - 1] if number.is_integer() and 0 < number <= len(points) else None

    return read


HUNDRED_POINTS = _even(100, step=1)
TWENTY_POINTS = _even(20, step=5)
TEN_POINTS = _even(10, step=10)
TEN_POINTS_WITH_DECIMALS = _even(10, step=1)
FIVE_POINTS_WITH_DECIMALS = _even(5, step=1)
# the conversions AniList uses itself
FIVE_STARS = _named(
    Score(10, 1, 29), Score(30, 30, 49), Score(50, 50, 69), Score(70, 70, 89), Score(90, 90, 100)
)
THREE_FACES = _named(Score(35, 1, 35), Score(60, 36, 60), Score(85, 61, 100))
