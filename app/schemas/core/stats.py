"""Schemas of list statistics."""

from datetime import date

from pydantic import BaseModel

from app.schemas.domain.anime import TagKind
from app.schemas.domain.library import EntryStatus


class ScoreCountOut(BaseModel):
    score: float
    count: int


class GenreCountOut(BaseModel):
    id: int
    name: str
    kind: TagKind
    count: int
    mean_score: float | None


class FormatCountOut(BaseModel):
    """``format`` is null for titles of unknown format."""

    format: str | None
    count: int
    mean_score: float | None


class YearCountOut(BaseModel):
    year: int
    count: int
    mean_score: float | None


class DayOut(BaseModel):
    """Episodes by which progress increased on one day (UTC), without imports."""

    date: date
    episodes: int


class StatsOut(BaseModel):
    """``minutes`` is computed from known episode lengths and includes rewatches.

    Episodes of unknown length are counted in ``episodes_of_unknown_length`` instead.
    """

    total: int
    by_status: dict[EntryStatus, int]
    episodes: int
    minutes: int
    episodes_of_unknown_length: int
    mean_score: float | None
    scores: list[ScoreCountOut]
    genres: list[GenreCountOut]
    formats: list[FormatCountOut]
    years: list[YearCountOut]
    activity: list[DayOut]
