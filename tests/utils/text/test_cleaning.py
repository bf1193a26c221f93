"""Normalisation of external values."""

import pytest

from app.utils.text.cleaning import INT_MAX, clean_int, clean_text, is_storable, minutes_of, partial_date


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("24 min per ep", 24),
        ("24 min. per ep.", 24),
        ("1 hr 55 min", 115),
        ("1 hr. 30 min. per ep.", 90),
        ("2 hr", 120),
        ("2 hours", 120),
        ("30 sec", 0.5),
        ("45 sec per ep", 0.75),
        ("1 min 30 sec", 1.5),
        ("23 MIN", 23),
        ("0 min", None),
        ("Unknown", None),
        ("", None),
    ],
)
def test_minutes_are_read_from_text(text: str, minutes: float | None) -> None:
    assert minutes_of(text) == minutes


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("2017", "2017"),
        ("2017-10", "2017-10"),
        ("2017-10-05", "2017-10-05"),
        ("2017-1-5", "2017-01-05"),
        ("2017-00-00", "2017"),
        ("2017-10-00", "2017-10"),
        ("2017-10-05T00:00:00+00:00", "2017-10-05"),
        (" 2017-10-05 ", "2017-10-05"),
        ("2017-13", None),
        ("2017-02-31", None),
        ("0000", None),
        ("soon", None),
        ("٢٠١٧", None),
        ("20171005", None),
        ("", None),
    ],
)
def test_partial_dates_keep_their_precision(text: str, stated: str | None) -> None:
    assert partial_date(text) == stated


@pytest.mark.parametrize(
    ("value", "text"),
    [("  Bebop ", "Bebop"), ("a\x00b\ud800c", "abc"), ("\x00", None), ("", None), (5, None), (None, None)],
)
def test_unstorable_characters_are_removed(value: object, text: str | None) -> None:
    assert clean_text(value) == text


def test_storable_text_is_recognised() -> None:
    assert is_storable("Ковбой 🚀 カウボーイ")
    assert not is_storable("a\x00")
    assert not is_storable("\udfff")


@pytest.mark.parametrize(
    ("value", "number"),
    [(0, 0), (24, 24), (24.0, 24), (24.5, None), (True, None), ("24", None), (-1, None), (INT_MAX + 1, None),
     (float("inf"), None), (float("nan"), None), (None, None)],
)  # fmt: skip
def test_only_whole_numbers_in_range_pass(value: object, number: int | None) -> None:
    assert clean_int(value) == number
