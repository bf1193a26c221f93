"""The envelope of the AniLibria v2 surface, and the data inside it other than titles."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from app.schemas.anilibria.title import Title


class Meta(BaseModel):
    """Where the data comes from."""

    source: Literal["anilibria", "node"]
    cached: bool
    cache_level: Annotated[
        Literal["l1", "l2", "l3"] | None,
        Field(description="Memory, Redis or PostgreSQL; null if the source was asked."),
    ] = None
    stale: Annotated[bool, Field(description="Expired; the source is down or being asked.")] = False
    cache_expires: datetime


class Pagination(BaseModel):
    page: int
    limit: int
    total: int
    pages: int


class ScheduledTitle(Title):
    next_episode: Annotated[int | None, Field(description="The number of the next episode.")] = None


class ScheduleDay(BaseModel):
    day: Annotated[int, Field(ge=1, le=7, description="1 is Monday.")]
    name: str
    titles: list[ScheduledTitle]


class ReleaseGenre(BaseModel):
    id: int
    name: str
    total: int | None
    image: str | None


class _Envelope(BaseModel):
    success: Literal[True]
    meta: Meta


class TitlesAnswer(_Envelope):
    data: list[Title]
    pagination: Pagination | None = None


class TitleAnswer(_Envelope):
    data: Title


class ScheduleAnswer(_Envelope):
    data: list[ScheduleDay]


class GenresAnswer(_Envelope):
    data: list[ReleaseGenre]


class Part(BaseModel):
    """``response_time`` is in milliseconds."""

    status: Literal["connected", "disconnected"]
    response_time: int | None


class CacheHealth(BaseModel):
    status: Literal["connected", "disconnected"]
    hit_rate: Annotated[float, Field(ge=0, le=1)]


class HealthAnswer(BaseModel):
    """``uptime`` is in seconds."""

    status: Literal["healthy", "degraded", "unhealthy"]
    version: str
    anilibria_api: Part
    database: Part
    cache: CacheHealth
    uptime: int
    timestamp: datetime


Json = dict[str, Any]
