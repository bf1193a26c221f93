"""Reading the fields of one row: the value, ``None`` where the dump does not say, or :class:`Unfit`."""

from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from app.external.catalogue_dumps.words import squeezed
from app.schemas.domain.anime import TITLE_MAX
from app.schemas.domain.pictures import real_picture
from app.schemas.limits import MAX_DURATION_MINUTES
from app.utils.text.cleaning import INT_MAX, clean_int, is_storable, minutes_of, partial_date

NAME_MAX = 200  # characters
TEXT_MAX = 100_000
URL_MAX = 2048

_LIST_MAX = 500
_WORD_MAX = 80
_WORDS_KEPT = 1000

_log = structlog.get_logger(__name__)


class InvalidRow(ValueError):
    """The row is broken; the text says where and why."""


class UnusableRow(ValueError):
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
        if said not in self._said and len(self._said) < _WORDS_KEPT:
            self._said.add(said)
            _log.warning(event, field=field, word=said[1])


def require_storable(name: str, value: Any) -> None:
    """Raise :class:`InvalidRow` where any text in the value cannot be stored."""
    if isinstance(value, str):
        if not is_storable(value):
            raise InvalidRow(f"{name} holds NUL or a lone surrogate")
    elif isinstance(value, list):
        for member in value:
            require_storable(name, member)
    elif isinstance(value, dict):
        for key, member in value.items():
            require_storable(key, member)


def title(row: Mapping[str, Any]) -> str:
    value = row.get("title")
    name = None if value is None else _fit("title", value, TITLE_MAX)
    if name is None:
        raise InvalidRow("no title")
    return name


def texts(row: Mapping[str, Any], keys: Iterable[tuple[str, int]]) -> list[str | None]:
    """The texts that stand under these keys, none longer than so many characters."""
    found: list[str | None] = []
    for key, most in keys:
        value = row.get(key)
        found.append(None if value is None else _fit(key, value, most))
    return found


def names(row: Mapping[str, Any], key: str, most: int = NAME_MAX) -> tuple[str, ...]:
    """A list of texts, each once."""
    values = row.get(key)
    if not values and (values is None or values == []):
        return ()
    if not isinstance(values, list) or len(values) > _LIST_MAX:
        raise InvalidRow(f"{key} is not a list, or too long")
    found = [_fit(key, value, most) for value in values]
    return tuple(dict.fromkeys([name for name in found if name is not None]))


def identity(row: Mapping[str, Any], key: str) -> int | None:
    """The id of another site."""
    value = row.get(key)
    return None if value is None else _whole(key, value, 1)


def count(row: Mapping[str, Any], key: str, low: int = 1, high: int = INT_MAX) -> int | None:
    """A number of things or a place in an order; zero means unknown unless ``low`` lets it pass."""
    value = row.get(key)
    if value is None or (value == 0 and low > 0 and value is not False):
        return None
    return _whole(key, value, low, high)


def year(row: Mapping[str, Any]) -> int | None:
    value = row.get("year")
    if value is None or (value == 0 and value is not False):
        return None
    return _whole("year", value, 1850, 2200)


def flag(row: Mapping[str, Any], key: str) -> bool | None:
    value = row.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise InvalidRow(f"{key} is neither true nor false")


def score(value: Any) -> float | None:
    """A mean from 0 to 10, with two decimals; 0 means that nobody voted."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10:
        raise InvalidRow("score is no number from 0 to 10")
    return round(float(value), 2) or None


def minutes(row: Mapping[str, Any], notes: Notes) -> float | None:
    """The length of an episode, from text or from a number of minutes."""
    value = row.get("duration")
    if not isinstance(value, str):
        return length(value, 1.0)
    stated = minutes_of(value[:_WORD_MAX])
    if stated is None and squeezed(value[:_WORD_MAX]) not in {"", "unknown", "none"}:
        notes.say("dump_word_unknown", "duration", value)
    return stated if stated is None or stated <= MAX_DURATION_MINUTES else None


def length(value: Any, unit: float) -> float | None:
    """A number of units of so many minutes each, in minutes."""
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value * unit <= MAX_DURATION_MINUTES:
        raise InvalidRow("duration is no length")
    return round(value * unit, 2) or None


def day(value: str | None, key: str, notes: Notes) -> str | None:
    """A date as precise as it stands there."""
    if value is None:
        return None
    stated = partial_date(value)
    if stated is None:
        notes.say("dump_word_unknown", key, value)
    return stated


def picture(value: str | None) -> str | None:
    """An address of a picture that is not the site's picture of "no picture"."""
    if value is None or not value.startswith(("https://", "http://")):
        return None
    return real_picture(value)


def _fit(key: str, value: Any, most: int) -> str | None:
    if not isinstance(value, str):
        raise InvalidRow(f"{key} is not text")
    if len(value) > most:
        raise InvalidRow(f"{key} is longer than {most} characters")
    return value.strip() or None


def _whole(key: str, value: Any, low: int, high: int = INT_MAX) -> int:
    if type(value) is int and low <= value <= high:
        return value
    number = clean_int(value, low, high)
    if number is None:
        raise InvalidRow(f"{key} is no whole number from {low} to {high}")
    return number
