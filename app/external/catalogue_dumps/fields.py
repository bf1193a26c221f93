"""Read the fields of a row: the value, ``None`` if the dump has none, or :class:`InvalidRow`."""

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
    """The row is invalid; the message names the field and the reason."""


class UnusableRow(ValueError):
    """The row is valid, but has no id by which it could be stored."""


class Notes:
    """Logs values that were not understood, each once."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()

    def word(self, field: str, table: Mapping[str, str | None], word: str | None) -> Any:
        """Translate an enumeration value; ``None`` if it is unknown."""
        if word is None:
            return None
        key = squeezed(word[:_WORD_MAX])
        if key not in table:
            self.log("dump.unknown_value", field, word)
        return table.get(key)

    def log(self, event: str, field: str, word: str) -> None:
        entry = (field, word[:_WORD_MAX])
        if entry not in self._logged and len(self._logged) < _WORDS_KEPT:
            self._logged.add(entry)
            _log.warning(event, field=field, word=entry[1])


def require_storable(name: str, value: Any) -> None:
    """Raise :class:`InvalidRow` if any text in the value cannot be stored."""
    if isinstance(value, str):
        if not is_storable(value):
            raise InvalidRow(f"{name} contains NUL or a lone surrogate")
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
    """The texts under these keys, each with its maximum length in characters."""
    found: list[str | None] = []
    for key, max_length in keys:
        value = row.get(key)
        found.append(None if value is None else _fit(key, value, max_length))
    return found


def names(row: Mapping[str, Any], key: str, max_length: int = NAME_MAX) -> tuple[str, ...]:
    """A list of texts without duplicates."""
    values = row.get(key)
    if not values and (values is None or values == []):
        return ()
    if not isinstance(values, list) or len(values) > _LIST_MAX:
        raise InvalidRow(f"{key} is not a list, or too long")
    found = [_fit(key, value, max_length) for value in values]
    return tuple(dict.fromkeys([name for name in found if name is not None]))


def identity(row: Mapping[str, Any], key: str) -> int | None:
    """The id of the title at another site."""
    value = row.get(key)
    return None if value is None else _whole(key, value, 1)


def count(row: Mapping[str, Any], key: str, low: int = 1, high: int = INT_MAX) -> int | None:
    """A count or a rank; zero means unknown unless ``low`` is 0."""
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
    """A mean score from 0 to 10 with two decimals; 0 means that there are no votes."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10:
        raise InvalidRow("score is not a number from 0 to 10")
    return round(float(value), 2) or None


def minutes(row: Mapping[str, Any], notes: Notes) -> float | None:
    """The length of an episode in minutes, from a text or a number of minutes."""
    value = row.get("duration")
    if not isinstance(value, str):
        return length(value, 1.0)
    stated = minutes_of(value[:_WORD_MAX])
    if stated is None and squeezed(value[:_WORD_MAX]) not in {"", "unknown", "none"}:
        notes.log("dump.unknown_value", "duration", value)
    return stated if stated is None or stated <= MAX_DURATION_MINUTES else None


def length(value: Any, unit: float) -> float | None:
    """A length in minutes; ``unit`` is the minutes per unit of ``value``."""
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value * unit <= MAX_DURATION_MINUTES:
        raise InvalidRow("duration is not a valid length")
    return round(value * unit, 2) or None


def day(value: str | None, key: str, notes: Notes) -> str | None:
    """A date with the precision given."""
    if value is None:
        return None
    stated = partial_date(value)
    if stated is None:
        notes.log("dump.unknown_value", key, value)
    return stated


def picture(value: str | None) -> str | None:
    """The URL of a picture, unless it is a site's placeholder."""
    if value is None or not value.startswith(("https://", "http://")):
        return None
    return real_picture(value)


def _fit(key: str, value: Any, max_length: int) -> str | None:
    if not isinstance(value, str):
        raise InvalidRow(f"{key} is not text")
    if len(value) > max_length:
        raise InvalidRow(f"{key} is longer than {max_length} characters")
    return value.strip() or None


def _whole(key: str, value: Any, low: int, high: int = INT_MAX) -> int:
    if type(value) is int and low <= value <= high:
        return value
    number = clean_int(value, low, high)
    if number is None:
        raise InvalidRow(f"{key} is not a whole number from {low} to {high}")
    return number
