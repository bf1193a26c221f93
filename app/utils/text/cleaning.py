"""Validation and normalisation of external values before they are stored."""

import math
import re
from contextlib import suppress
from datetime import date
from functools import lru_cache

INT_MAX = 2**31 - 1  # largest PostgreSQL integer
BIGINT_MAX = 2**63 - 1  # largest PostgreSQL bigint

_LONGEST_LINE = 500  # characters
_LONGEST_URL = 2000
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?(?:[T ].*)?", re.ASCII | re.DOTALL)
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(hr|hour|min|sec)", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"\s*-?\d{1,15}(?:\.\d{1,6})?\s*", re.ASCII)
_MINUTES = {"hr": 60.0, "hour": 60.0, "min": 1.0, "sec": 1 / 60}


def is_storable(text: str) -> bool:
    """False for text that PostgreSQL or UTF-8 cannot hold: NUL, lone surrogates."""
    return _UNSTORABLE.search(text) is None


def clean_text(value: object) -> str | None:
    """The text without surrounding white space and unstorable characters; ``None`` if nothing is left."""
    if not isinstance(value, str):
        return None
    return _UNSTORABLE.sub("", value).strip() or None


def clean_line(value: object) -> str | None:
    """Like :func:`clean_text`, cut to 500 characters."""
    return (clean_text(value) or "")[:_LONGEST_LINE] or None


def clean_url(value: object) -> str | None:
    """An http(s) URL of at most 2000 characters, else ``None``."""
    found = clean_text(value)
    fits = found and found.startswith(("https://", "http://")) and len(found) <= _LONGEST_URL
    return found if fits else None


def clean_int(value: object, low: int = 0, high: int = INT_MAX) -> int | None:
    """An integer within the inclusive limits, else ``None``; ``24.0`` is accepted, ``True`` is not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if low <= value <= high else None


def clean_number(value: object) -> float | None:
    """A finite number, also from decimal text such as "12" or "12.5", else ``None``; not from ``True``."""
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def read_int(value: object, low: int = 0, high: int = INT_MAX) -> int | None:
    """Like :func:`clean_int`, also from decimal text such as "12"."""
    return clean_int(clean_number(value), low, high)


@lru_cache(maxsize=1024)
def minutes_of(text: str) -> float | None:
    """The duration in minutes of a text such as "24 min per ep", "1 hr 55 min" or "30 sec"."""
    total = sum(float(number) * _MINUTES[unit.lower()] for number, unit in _LENGTH.findall(text))
    return round(total, 2) or None


def partial_date(text: str) -> str | None:
    """Normalise to ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``, dropping any time of day.

    A month or day of zero is unknown. ``None`` if the date does not exist.
    """
    if len(text) == 10 and text[4] == text[7] == "-":  # fast path for the common format, ten times faster
        with suppress(ValueError):
            return date.fromisoformat(text).isoformat()
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day = (int(part or 0) for part in match.groups())
    try:
        date(year, month or 1, day or 1)
    except ValueError:
        return None
    if not month:
        return f"{year:04}"
    return f"{year:04}-{month:02}-{day:02}" if day else f"{year:04}-{month:02}"
