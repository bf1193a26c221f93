"""Read the fields of a list file's row one by one: an invalid field is dropped and noted, not the row."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from app.external.list_files.readable import readable
from app.external.list_files.scores import Scale, Score
from app.schemas.domain.library import EntryStatus, MediaType, Subject
from app.schemas.domain.lists import ListedRow
from app.schemas.limits import (
    MAX_NOTES_LENGTH,
    MAX_PROGRESS,
    MAX_REWATCHES,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    MAX_YEAR,
    MIN_YEAR,
)
from app.schemas.words import entry_status
from app.utils.text.cleaning import INT_MAX, clean_text, partial_date

MAX_TITLE_LENGTH = 500  # characters
_QUOTED = 40  # characters of an invalid value that the report quotes
_MOST_NOTES = 20  # per row
_ESCAPED = 8  # maximum length of an escaped character relative to the character
_WHOLE = re.compile(r"([+-]?\d{1,20})(?:\.0*)?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,9}(?:[.,]\d{0,9})?", re.ASCII)
_AMERICAN = re.compile(r"(\d{2})-(\d{2})-(\d{2})", re.ASCII)
_EIGHT_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_DAY_WITHOUT_MONTH = re.compile(r"\d{4}-00?-(?!00?(?:\D|$))\d", re.ASCII)
_YES = frozenset(("1", "yes", "true"))


class RowReader:
    """Reads the fields of one row.

    Each method returns None if the file has no value. A value that is invalid or beyond a limit is dropped
    or cut, which :attr:`note` reports.
    """

    def __init__(self) -> None:
        self._notes: list[str] = []
        self._unclear_status: str | None = None

    @property
    def note(self) -> str | None:
        return "; ".join(list(dict.fromkeys(self._notes))[:_MOST_NOTES]) or None

    def add_note(self, text: str) -> None:
        self._notes.append(text)

    def count(self, name: str, value: Any, *, maximum: int = MAX_PROGRESS) -> int | None:
        """A non-negative integer."""
        if _is_empty(value):
            return None
        number = _whole(value)
        if number is None or number < 0:
            self._leave_out(name, value)
            return None
        if number > maximum:
            self._notes.append(f"{name} {number} exceeds the maximum: set to {maximum}")
        return min(number, maximum)

    def rewatches(self, value: Any) -> int | None:
        return self.count("number of rewatches", value, maximum=MAX_REWATCHES)

    def total(self, *values: Any) -> int | None:
        """The first known total; 0 means unknown."""
        return next((found for value in values if (found := self.count("total", value))), None)

    def volumes(self, value: Any) -> int | None:
        """Volumes read; no service distinguishes 0 from unknown."""
        return self.count("volumes", value) or None

    def identifier(self, name: str, value: Any) -> int | None:
        """The id at another service; 0 means none."""
        if _is_empty(value):
            return None
        number = _whole(value)
        if number is None or not 0 <= number <= INT_MAX:
            self._leave_out(name, value)
            return None
        return number or None

    def score(self, value: Any, scale: Scale) -> Score | None:
        """0 means unscored."""
        if _is_empty(value):
            return None
        number = _decimal(value)
        if number == 0:
            return None
        found = None if number is None else scale(number)
        if found is None:
            self._leave_out("score", value)
        return found

    def date(self, name: str, value: Any) -> str | None:
        """A partial date; zeros mean that a component is unknown."""
        if isinstance(value, Mapping):  # AniList's FuzzyDate
            value = "-".join(str(value.get(part) or "0").zfill(width) for part, width in _PARTS)
        text = "" if _is_empty(value) else str(value).strip()
        if not text.strip("0-"):
            return None
        found = _date(text)
        if found is None:
            self._leave_out(name, text)
        elif _DAY_WITHOUT_MONTH.match(text):
            self._notes.append(f"{name} {text[:_QUOTED]} has no month: kept as {found}")
        return found

    def title(self, *values: Any) -> str | None:
        """The first non-empty title."""
        found = (self._text("title", value, MAX_TITLE_LENGTH) for value in values)
        return next((title for title in found if title), None)

    def notes(self, value: Any) -> str | None:
        return self._text("notes", value, MAX_NOTES_LENGTH)

    def short_text(self, name: str, value: Any) -> str | None:
        return self._text(name, value, MAX_TITLE_LENGTH)

    def tags(self, value: Any) -> tuple[str, ...]:
        """Tags from a comma-separated list or an array, without duplicates."""
        if isinstance(value, str):
            value = value.split(",")
        if not isinstance(value, Sequence):
            if not _is_empty(value):
                self._leave_out("tags", value)
            return ()
        texts = (self._text("a tag", tag, MAX_TAG_LENGTH) for tag in _distinct(value))
        found = tuple(dict.fromkeys(tag for tag in texts if tag))
        if len(found) > MAX_TAGS:
            self._notes.append(f"{len(found)} tags exceed the maximum: cut to {MAX_TAGS}")
        return found[:MAX_TAGS]

    def status(self, value: Any) -> EntryStatus | None:
        """The status; None if it is unclear, so that it is derived from the rest and the report says why."""
        word = "" if _is_empty(value) else str(value).strip()
        if not word or word == "0":
            self._unclear_status = "the file states no status"
            return None
        found = entry_status(word[:_QUOTED])
        if found is None:
            self._unclear_status = f"unknown status {word[:_QUOTED]!r}"
        return found

    def subject(
        self,
        media_type: MediaType,
        title: str | None,
        *,
        mal_id: int | None = None,
        anilist_id: int | None = None,
        total: int | None = None,
        image_url: str | None = None,
        format: str | None = None,
        site_url: str | None = None,
        known_elsewhere: bool = False,
    ) -> Subject:
        """The title of the row; raises ``ValueError`` if the row has neither title nor id."""
        if title is None and mal_id is None and anilist_id is None and not known_elsewhere:
            raise ValueError("; ".join(["the row has neither a title nor an id", *self._notes]))
        return Subject(
            media_type=media_type,
            mal_id=mal_id,
            anilist_id=anilist_id,
            title=title,
            total=total,
            image_url=image_url,
            format=format,
            site_url=site_url,
        )

    def row(self, line: int, subject: Subject, score: Score | None, fields: Mapping[str, Any]) -> ListedRow:
        """The row with all notes; call it after all fields have been read."""
        return ListedRow(
            line,
            subject,
            {**fields, "score": score and score.value},
            score_range=score and (score.low, score.high),
            note=self.note,
            unclear_status=self._unclear_status,
        )

    def _text(self, name: str, value: Any, max_length: int) -> str | None:
        if not value:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            self._leave_out(name, value)
            return None
        stated = value.strip()
        found = clean_text(readable(stated[: max_length * _ESCAPED])) or ""
        if len(found) > max_length or len(stated) > max_length * _ESCAPED:
            self._notes.append(f"{name} is longer than {max_length:,} characters: cut")
        return found[:max_length].strip() or None

    def _leave_out(self, name: str, value: Any) -> None:
        self._notes.append(f"{name} {str(value)[:_QUOTED]!r} is invalid: left out")


def is_yes(value: Any) -> bool:
    return str(value).strip().lower() in _YES


def as_object(value: Any) -> Mapping[str, Any]:
    """The value if it is a JSON object, otherwise an empty one."""
    return value if isinstance(value, Mapping) else {}


_PARTS = (("year", 4), ("month", 2), ("day", 2))


def _is_empty(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, str) and not value.strip())


def _distinct(values: Sequence[Any]) -> Iterable[Any]:
    """Texts and numbers without duplicates; other values as text for the report."""
    stated = (value for value in values if not _is_empty(value))
    return dict.fromkeys(one if isinstance(one, str | int | float) else str(one)[:_QUOTED] for one in stated)


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    found = _WHOLE.fullmatch(str(value).strip())
    return int(found[1]) if found else None


def _decimal(value: Any) -> float | None:
    if isinstance(value, bool) or not _DECIMAL.fullmatch(text := str(value).strip()):
        return None
    return float(text.replace(",", "."))


@lru_cache(maxsize=4096)  # the rows of a list share few distinct dates
def _date(text: str) -> str | None:
    if american := _AMERICAN.fullmatch(text):
        month, day, year = american.groups()
        text = f"{_century(int(year))}-{month}-{day}"
    elif digits := _EIGHT_DIGITS.fullmatch(text):
        text = "-".join(digits.groups())
    found = partial_date(text)
    return found if found and MIN_YEAR <= int(found[:4]) <= MAX_YEAR else None


def _century(year: int) -> int:
    return 2000 + year if 2000 + year <= date.today().year + 1 else 1900 + year  # noqa: DTZ011  # any zone will do
