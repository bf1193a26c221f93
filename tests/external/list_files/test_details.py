"""Fields of list rows: invalid and too long values are noted, and the row is kept."""

from typing import Any

import pytest

from app.external.list_files import scores
from app.external.list_files.details import RowReader
from app.external.list_files.readable import readable
from app.external.list_files.scores import Scale


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ("2015-03-01", "2015-03-01"), ("2015-03-00", "2015-03"), ("2015-00-00", "2015"), ("2015", "2015"),
        ("2020-01-01T00:00:00.000Z", "2020-01-01"), ("20180904", "2018-09-04"), (20180900, "2018-09"),
        ("07-23-16", "2016-07-23"), ({"year": 2020, "month": 5, "day": None}, "2020-05"),
        ({"year": 2020, "month": "5", "day": 3}, "2020-05-03"),
        ("0000-00-00", None), ("", None), (None, None), (0, None), ({"year": None}, None), ("00-00-00", None),
    ],
)  # fmt: skip
def test_dates_of_any_service(stated: Any, kept: str | None) -> None:
    reader = RowReader()
    assert reader.date("start date", stated) == kept
    assert reader.note is None


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ("2015-00-17", "2015"), ({"year": 2015, "month": None, "day": 17}, "2015"), ("0000-12-25", None),
        ("2015-02-30", None), ("2015-13-01", None), ("yesterday", None), ("-", None), ("1066-10-14", None),
        ("2999-01-01", None), ({"year": "x"}, None), (["2015"], None), (-5, None),
    ],
)  # fmt: skip
def test_an_invalid_date_keeps_its_year_where_unambiguous(stated: Any, kept: str | None) -> None:
    reader = RowReader()
    assert reader.date("start date", stated) == kept
    assert (reader.note is None) is (stated == "-")
    assert stated == "-" or "start date" in str(reader.note)


@pytest.mark.parametrize(
    ("stated", "kept", "is_told"),
    [
        (12, 12, False), ("12", 12, False), (" 12 ", 12, False), (12.0, 12, False), ("12.0", 12, False),
        (0, 0, False), ("", None, False), (None, None, False), ("?", None, True), ("-", None, True),
        (-1, None, True), (12.5, None, True), ("1e9", None, True), (True, None, True), ([], None, True),
        ("9" * 5000, None, True), (100_000, 100_000, False), (100_001, 100_000, True), (2**70, None, True),
        ("٣", None, True),
    ],
)  # fmt: skip
def test_counts(stated: Any, kept: int | None, is_told: bool) -> None:
    reader = RowReader()
    assert reader.count("progress", stated) == kept
    assert ("progress" in (reader.note or "")) is is_told


@pytest.mark.parametrize(
    ("scale", "stated", "value", "low", "high"),
    [
        (scores.TEN_POINTS, 8, 80, 75, 84),
        (scores.TEN_POINTS, "10", 100, 95, 100),
        (scores.TEN_POINTS, 8.5, 85, 85, 85),
        (scores.TEN_POINTS_WITH_DECIMALS, "8,5", 85, 85, 85),
        (scores.HUNDRED_POINTS, 93, 93, 93, 93),
        (scores.TWENTY_POINTS, 17, 85, 83, 87),
        (scores.FIVE_POINTS_WITH_DECIMALS, "4.5", 90, 90, 90),
        (scores.FIVE_STARS, 4, 70, 70, 89),
        (scores.THREE_FACES, 2, 60, 36, 60),
    ],
)
def test_scores_and_ranges_of_equal_scores(
    scale: Scale, stated: Any, value: int, low: int, high: int
) -> None:
    assert RowReader().score(stated, scale) == (value, low, high)


@pytest.mark.parametrize("stated", ["-", "NaN", "inf", -1, 11, 10.01, "1_0", True, [], "8/10"])
def test_an_invalid_score_is_noted(stated: Any) -> None:
    reader = RowReader()
    assert reader.score(stated, scores.TEN_POINTS) is None
    assert "score" in str(reader.note)


@pytest.mark.parametrize("stated", [0, "0", 0.0, "0.00", None, "", False])
def test_an_empty_score_is_not_noted(stated: Any) -> None:
    reader = RowReader()
    assert (reader.score(stated, scores.TEN_POINTS), reader.note) == (None, None)


def test_texts_and_tags_are_cut_at_the_limits_of_the_domain() -> None:
    reader = RowReader()
    assert reader.notes("n" * 10_000) == "n" * 10_000
    assert reader.tags(["t" * 1_000]) == ("t" * 1_000,)
    assert reader.note is None
    assert reader.notes("n" * 2_000_000) == "n" * 10_000
    assert reader.tags(["t" * 1_001, *map(str, range(60))])[0] == "t" * 1_000
    assert reader.title("x" * 501) == "x" * 500
    for told in ("notes", "a tag is longer than 1,000", "61 tags", "title"):
        assert told in str(reader.note)


def test_tags_as_a_comma_list_or_an_array() -> None:
    assert RowReader().tags("a, b,,a ,  ") == ("a", "b")
    assert RowReader().tags(["a", "b", "a", "", None]) == ("a", "b")
    assert RowReader().tags(None) == ()


@pytest.mark.parametrize(
    ("broken", "fixed"),
    [
        ("Caf&eacute;", "Café"),
        ("Caf&amp;eacute;", "Café"),
        ("Caf&amp;amp;eacute;", "Café"),
        ("a&nbsp;b", "a b"),
        ("K&#039;s &quot;x&quot;", 'K\'s "x"'),
        ("&#55357;&#56832;", "😀"),
        ("CafÃ©", "Café"),
        ("itâ€™s", "it’s"),
        ("PokÃ©mon &amp; co", "Pokémon & co"),
        ("æ—¥æœ¬", "日本"),
        ("Ð\x9aÐ¾Ð²Ð±Ð¾Ð¹", "Ковбой"),
    ],
)
def test_entities_and_mojibake_are_repaired(broken: str, fixed: str) -> None:
    assert readable(broken) == fixed


@pytest.mark.parametrize(
    "text",
    [
        "<b>&amp;</b>", "Tom & Jerry", "AT&T;", "R&D &notathing;", "ÄÖÜ äöü ß", "Café", "Ø", "×", "½",
        "カウボーイビバップ", "Ковбой Бибоп", "naïve façade", "°C", "Gintama°", "Yuru Yuri♪♪", "A±B", "«Да»",
    ],
)  # fmt: skip
def test_correct_text_is_unchanged(text: str) -> None:
    assert readable(text) == text
