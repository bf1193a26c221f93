"""Query parameters of the HiAnime routes; slugs and ids are checked strictly, since they enter URLs."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints, WithJsonSchema

from app.api.sync_query import Words

_SLUG = r"[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*"
_EPISODE = re.compile(rf"({_SLUG})(?:\?ep=(\d{{1,12}}))?", re.ASCII)
_LAST_NUMBER = re.compile(r"[-_](\d{1,12})$", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _episode_id(value: str) -> str:
    """Normalise an episode id; without ``?ep=`` the number is the last part of the slug."""
    found = _EPISODE.fullmatch(value)
    slug, number = found.groups() if found else ("", None)
    last = _LAST_NUMBER.search(slug)
    if number is None and last is None:
        raise ValueError("an episode id looks like steinsgate-3?ep=230")
    return f"{slug}?ep={number or (last[1] if last else '')}"


def _day(value: Any) -> Any:
    """Accept only ``YYYY-MM-DD``; pydantic would also accept other forms of a date."""
    if isinstance(value, date) or (isinstance(value, str) and _DAY.fullmatch(value)):
        return value
    raise ValueError("a date must be YYYY-MM-DD")


def today() -> date:
    return datetime.now(UTC).date()


Slug = Annotated[str, StringConstraints(max_length=200, pattern=rf"^{_SLUG}$")]
SlugPath = Annotated[Slug, Path(examples=["steinsgate-3"])]
EpisodeId = Annotated[
    str,
    StringConstraints(max_length=220),
    AfterValidator(_episode_id),
    Field(examples=["steinsgate-3?ep=230"]),
]
_Word = Annotated[str, StringConstraints(max_length=40, pattern=r"^[a-z0-9+-]+$")]
_WordList = Annotated[str, StringConstraints(max_length=500, pattern=r"^[a-z-]+(?:,[a-z-]+)*$")]
_Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{1,2}-\d{1,2}$")]


class ScheduleQuery(BaseModel):
    """``tzOffset`` is in minutes, as JavaScript counts them: UTC minus local time."""

    day: Annotated[
        date,
        BeforeValidator(_day),
        Field(alias="date", default_factory=today),
        WithJsonSchema({"type": "string", "format": "date"}),
    ]
    tz_offset: Annotated[int, Field(alias="tzOffset", ge=-840, le=720)] = -330


class SuggestionQuery(BaseModel):
    q: Words


class AniwatchSearchQuery(BaseModel):
    """The filters of aniwatch-api: lower-case words; ``genres`` is a comma-separated list."""

    q: Words
    page: Annotated[int, Field(ge=1, le=10_000)] = 1
    genres: _WordList | None = None
    type: _Word | None = None
    status: _Word | None = None
    rated: _Word | None = None
    score: _Word | None = None
    season: _Word | None = None
    language: Annotated[str, StringConstraints(pattern=r"^(?:all|sub|dub|sub-&-dub)$")] | None = None
    sort: _Word | None = None
    start_date: _Day | None = None
    end_date: _Day | None = None

    def asked(self) -> dict[str, str | int]:
        sent: dict[str, str | int] = self.model_dump(exclude_none=True)
        return sent


class ServersQuery(BaseModel):
    episode_id: Annotated[EpisodeId, Field(alias="animeEpisodeId")]


class SourcesQuery(ServersQuery):
    server: Annotated[str, StringConstraints(max_length=32, pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$")] = "hd-1"
    category: Literal["sub", "dub", "raw"] = "sub"

    def asked(self) -> dict[str, str | int]:
        sent: dict[str, str | int] = self.model_dump(by_alias=True)
        return sent
