"""Reading the fields of one row: the value, ``None`` where the dump does not say, or :class:`Unfit`."""

from collections.abc import Mapping
from typing import Any

import structlog

from app.external.dumps.words import squeezed
from app.schemas.domain.anime import TITLE_MAX
from app.utils.cleaning import clean_int, is_storable, minutes_of, partial_date

_TEXT_MAX = 100_000  # characters
_NAME_MAX = 200
_LIST_MAX = 500
_WORD_MAX = 80

_log = structlog.get_logger(__name__)


class Unfit(ValueError):
    """The row is broken; the text says where and why."""


class OfNoUse(ValueError):
    """The row is sound, but there is nothing to store it by."""


class Notes:
    """Tells the log what was not understood, once for each word."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def word(self, field: str, table: Mapping[str, str | None], word: str | None) -> Any:
        """Our word for theirs, ``None`` where there is none."""
        if word is None:
            return None
        key = squeezed(word[:_WORD_MAX])
        if key not in table:
            self.say("dump_word_unknown", field, word)
        return table.get(key)

    def say(self, event: str, field: str, word: str) -> None:
        said = (field, word[:_WORD_MAX])
        if said not in self._said and len(self._said) < _LIST_MAX:
            self._said.add(said)
            _log.warning(event, field=field, word=said[1])


def text(row: Mapping[str, Any], key: str, most: int = _TEXT_MAX) -> str | None:
    value = row.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Unfit(f"{key} is not text")
    return _fit(key, value, most)


def title(row: Mapping[str, Any]) -> str:
    value = text(row, "title", TITLE_MAX)
    if value is None:
        raise Unfit("no title")
    return value


def names(row: Mapping[str, Any], key: str, most: int = _NAME_MAX) -> list[str]:
    """A list of texts, each once."""
    values = row.get(key)
    if values is None:
        return []
    if not isinstance(values, list) or len(values) > _LIST_MAX:
        raise Unfit(f"{key} is not a list, or too long")
    found: dict[str, None] = {}
    for value in values:
        if not isinstance(value, str):
            raise Unfit(f"{key} holds what is not text")
        name = _fit(key, value, most)
        if name is not None:
            found[name] = None
    return list(found)


def identity(row: Mapping[str, Any], key: str) -> int | None:
    """The id of another site."""
    return _whole(key, row.get(key), low=1)


def count(row: Mapping[str, Any], key: str, low: int = 1) -> int | None:
    """A number of things or a place in an order; zero means unknown unless ``low`` lets it pass."""
    value = row.get(key)
    return None if value == 0 and low > 0 and value is not False else _whole(key, value, low)


def year(row: Mapping[str, Any], key: str = "year") -> int | None:
    value = row.get(key)
    return None if value == 0 and value is not False else _whole(key, value, 1850, 2200)


def flag(row: Mapping[str, Any], key: str) -> bool | None:
    value = row.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise Unfit(f"{key} is neither true nor false")


def score(value: Any, key: str = "score") -> float | None:
    """A mean from 0 to 10, with two decimals; 0 means that nobody voted."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10:
        raise Unfit(f"{key} is no number from 0 to 10")
    return round(float(value), 2) or None


def minutes(row: Mapping[str, Any], notes: Notes) -> float | None:
    """The length of an episode, from text or from a number of minutes."""
    value = row.get("duration")
    if isinstance(value, str):
        stated = minutes_of(value)
        if stated is None and squeezed(value[:_WORD_MAX]) not in {"", "unknown", "none"}:
            notes.say("dump_word_unknown", "duration", value)
        return stated if stated is None or stated < 100_000 else None
    return length(value, 1.0)


def length(value: Any, unit: float) -> float | None:
    """A number of units of so many minutes each, in minutes."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value * unit < 100_000:
        raise Unfit("duration is no length")
    return round(value * unit, 2) or None


def day(row: Mapping[str, Any], key: str, notes: Notes) -> str | None:
    """A date as precise as it stands there."""
    value = text(row, key, _NAME_MAX)
    if value is None:
        return None
    stated = partial_date(value)
    if stated is None:
        notes.say("dump_word_unknown", key, value)
    return stated


def address(row: Mapping[str, Any], key: str) -> str | None:
    value = text(row, key, 2048)
    return value if value is not None and value.startswith(("https://", "http://")) else None


def _fit(key: str, value: str, most: int) -> str | None:
    if len(value) > most:
        raise Unfit(f"{key} is longer than {most} characters")
    if not is_storable(value):
        raise Unfit(f"{key} holds NUL or a lone surrogate")
    return value.strip() or None


def _whole(key: str, value: Any, low: int, high: int = 2**31 - 1) -> int | None:
    if value is None:
        return None
    number = clean_int(value, low, high)
    if number is None:
        raise Unfit(f"{key} is no whole number from {low} to {high}")
    return number
