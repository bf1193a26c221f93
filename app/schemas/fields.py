"""Types of single fields: what a row can hold, and what counts as a date, a score, a text."""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from app.utils.cleaning import is_storable

LARGEST_INT = 2**31 - 1

Id = Annotated[int, Field(ge=1, le=LARGEST_INT)]
Count = Annotated[int, Field(ge=0, le=LARGEST_INT)]

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_PARTIAL_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


def storable(text: str) -> str:
    if not is_storable(text):
        raise ValueError("has characters that cannot be stored")
    return text


def _partial_date(text: str) -> str:
    found = _PARTIAL_DATE.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        date(*(int(part or 1) for part in found.groups()))
    except ValueError:
        raise ValueError("a date is YYYY, YYYY-MM or YYYY-MM-DD") from None
    return text


def _instant(value: Any) -> Any:
    """Refuse what pydantic would take for an instant beside RFC 3339: seconds since 1970, dates."""
    if isinstance(value, datetime) or (isinstance(value, str) and _INSTANT.fullmatch(value)):
        return value
    raise ValueError("an instant is RFC 3339, like 2026-11-20T21:05:11Z")


def _hundredths(value: Any) -> int:
    """A score of 0 to 10 as 0 to 100; more than one decimal is an error."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("a score is a number from 0 to 10")
    scaled = Decimal(str(value)) * 10
    if not scaled.is_finite() or not 0 <= scaled <= 100:
        raise ValueError("a score is a number from 0 to 10")
    if scaled != scaled.to_integral_value():
        raise ValueError("a score has one decimal at most")
    return int(scaled)


def _tenths(value: int) -> float:
    return value / 10


# The bounds of a text stand before its check: behind a function pydantic would not see the stripped text.
_stored = AfterValidator(storable)
Text = Annotated[str, _stored]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), _stored]
Note = Annotated[str, StringConstraints(max_length=10_000), _stored]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), _stored]
Url = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://"), _stored]
Instant = Annotated[
    AwareDatetime, Field(strict=False, examples=["2026-11-20T21:05:11Z"]), BeforeValidator(_instant)
]
PartialDate = Annotated[
    str,
    AfterValidator(_partial_date),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}(-\d{2}(-\d{2})?)?$", "examples": ["2017-10"]}),
]
# Held as 0 to 100, read and shown as 0 to 10 with one decimal.
Score = Annotated[
    int,
    BeforeValidator(_hundredths),
    PlainSerializer(_tenths, return_type=float),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 10, "multipleOf": 0.1, "examples": [8.5]}),
]
