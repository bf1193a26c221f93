"""Types of single fields: what a row can hold, and what counts as a date, a score, a text."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
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

from app.schemas.limits import (
    MAX_DURATION_MINUTES,
    MAX_INSTANT,
    MAX_NOTES_LENGTH,
    MAX_POSITION_SECONDS,
    MAX_PROGRESS,
    MAX_REWATCHES,
    MAX_TAG_LENGTH,
    MAX_YEAR,
    MIN_DURATION_MINUTES,
    MIN_INSTANT,
    MIN_YEAR,
)
from app.utils.text.cleaning import BIGINT_MAX, INT_MAX, is_storable

Id = Annotated[int, Field(ge=1, le=INT_MAX)]
BigId = Annotated[int, Field(ge=1, le=BIGINT_MAX)]
Count = Annotated[int, Field(ge=0, le=INT_MAX)]

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_PARTIAL_DATE_FORM = r"^\d{4}(-\d{2}(-\d{2})?)?$"
_PARTIAL_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


def storable(text: str) -> str:
    if not is_storable(text):
        raise ValueError("contains characters that cannot be stored")
    return text


def _partial_date(text: str) -> str:
    found = _PARTIAL_DATE.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        stated = date(*(int(part or 1) for part in found.groups()))
    except ValueError:
        raise ValueError("a date must be YYYY, YYYY-MM or YYYY-MM-DD") from None
    if not MIN_YEAR <= stated.year <= MAX_YEAR:
        raise ValueError(f"the year must be from {MIN_YEAR} to {MAX_YEAR}")
    return text


def _instant(value: Any) -> Any:
    """Reject what pydantic accepts besides RFC 3339: Unix timestamps, dates."""
    if isinstance(value, datetime) or (isinstance(value, str) and _INSTANT.fullmatch(value)):
        return value
    raise ValueError("a timestamp must be RFC 3339, like 2026-11-20T21:05:11Z")


def _instant_in_range(instant: datetime) -> datetime:
    """Convert to UTC. The range is checked first, since the conversion can overflow."""
    if not MIN_INSTANT <= instant <= MAX_INSTANT:
        raise ValueError(f"the year must be from {MIN_YEAR} to {MAX_YEAR}")
    return instant.astimezone(UTC)


def _without_negative_zero(value: float) -> float:
    return value + 0.0


def _hundredths(value: Any) -> int:
    """A score of 0 to 10 as 0 to 100; more than one decimal is an error."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("a score must be a number from 0 to 10")
    scaled = Decimal(str(value)) * 10
    if not scaled.is_finite() or not 0 <= scaled <= 100:
        raise ValueError("a score must be a number from 0 to 10")
    if scaled != scaled.to_integral_value():
        raise ValueError("a score must have at most one decimal")
    return int(scaled)


def _tenths(value: int) -> float:
    return value / 10


# Length bounds come before the check: after a function validator, pydantic would not see the stripped text.
_stored = AfterValidator(storable)
Text = Annotated[str, _stored]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), _stored]
Note = Annotated[str, StringConstraints(max_length=MAX_NOTES_LENGTH), _stored]
Tag = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TAG_LENGTH), _stored
]
# The name of a genre or studio; these are indexed, and index entries are limited in size.
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), _stored]
Url = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://"), _stored]
Instant = Annotated[
    AwareDatetime,
    Field(
        strict=False,
        examples=["2026-11-20T21:05:11Z"],
        description=f"RFC 3339; the year, in UTC, from {MIN_YEAR} to {MAX_YEAR}.",
    ),
    BeforeValidator(_instant),
    AfterValidator(_instant_in_range),
]
PartialDate = Annotated[
    str,
    AfterValidator(_partial_date),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _PARTIAL_DATE_FORM,
            "examples": ["2017-10"],
            "description": f"YYYY, YYYY-MM or YYYY-MM-DD; the year from {MIN_YEAR} to {MAX_YEAR}.",
        }
    ),
]
Year = Annotated[int, Field(ge=MIN_YEAR, le=MAX_YEAR)]
# A number of episodes, chapters or volumes: progress, or a total, where 0 means unknown.
Progress = Annotated[int, Field(ge=0, le=MAX_PROGRESS)]
Episode = Annotated[int, Field(ge=1, le=MAX_PROGRESS)]
RewatchCount = Annotated[int, Field(ge=0, le=MAX_REWATCHES)]
PositionSeconds = Annotated[int, Field(ge=0, le=MAX_POSITION_SECONDS)]
DurationMinutes = Annotated[
    float, Field(ge=MIN_DURATION_MINUTES, le=MAX_DURATION_MINUTES, allow_inf_nan=False)
]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False), AfterValidator(_without_negative_zero)]
# Sources may state years outside the range that users may enter.
PartialDateOut = Annotated[str, WithJsonSchema({"type": "string", "pattern": _PARTIAL_DATE_FORM})]
# Stored as 0 to 100, read and shown as 0 to 10 with one decimal.
Score = Annotated[
    int,
    BeforeValidator(_hundredths),
    PlainSerializer(_tenths, return_type=float),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 10, "multipleOf": 0.1, "examples": [8.5]}),
]


def one_of(words: Sequence[str]) -> WithJsonSchema:
    """The possible values of a response's text, for the OpenAPI document; it does not validate them."""
    return WithJsonSchema({"type": "string", "enum": list(words)})
