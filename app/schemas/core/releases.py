"""Schemas of releases and episodes."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.schemas.domain.anime import Season, Status
from app.schemas.domain.releases import Episode, Release


class VideoSourceOut(BaseModel):
    quality: Annotated[str, Field(examples=["1080p"])]
    url: str
    type: Annotated[str, Field(description="hls or mp4.")]


class SpanOut(BaseModel):
    """Seconds from the start of the episode; either may be unknown."""

    start: int | None
    stop: int | None


class EpisodeOut(BaseModel):
    id: int
    release_id: int
    number: Annotated[float, Field(description="May be 0 or a fraction such as 12.5.")]
    name: str | None
    name_english: str | None
    preview_url: str | None
    duration_seconds: int | None
    sources: list[VideoSourceOut]
    opening: SpanOut | None
    ending: SpanOut | None
    updated_at: datetime | None

    @classmethod
    def of(cls, episode: Episode) -> "EpisodeOut":
        return cls(
            id=episode.id,
            release_id=episode.release_id,
            number=episode.ordinal,
            name=episode.name,
            name_english=episode.name_english,
            preview_url=episode.preview,
            duration_seconds=episode.duration,
            sources=[VideoSourceOut(quality=s.quality, url=s.url, type=s.type) for s in episode.sources],
            opening=_span(episode.opening),
            ending=_span(episode.ending),
            updated_at=episode.updated_at,
        )


class ReleaseOut(BaseModel):
    """A title of a streaming source, possibly linked to an anime of the catalogue."""

    id: int
    source: Literal["anilibria"]
    external_id: Annotated[int, Field(description="The id at the source.")]
    anime_id: int | None
    link_confidence: Annotated[float | None, Field(description="Confidence of the link, 0 to 1.")]
    title: Annotated[str, Field(description="The Russian name.")]
    title_english: str | None
    title_alternative: str | None
    description: str
    type: str | None
    status: Status
    season: Season | None
    year: int | None
    genres: list[str]
    episodes_total: Annotated[int | None, Field(description="Number of announced episodes.")]
    episodes_released: Annotated[int | None, Field(description="Number of released episodes.")]
    image_url: str | None
    blocked: bool
    updated_at: datetime | None
    fetched_at: Annotated[datetime, Field(description="When the source was last asked.")]

    @classmethod
    def of(cls, release: Release) -> "ReleaseOut":
        return cls(
            id=release.id,
            source=release.source,
            external_id=release.external_id,
            anime_id=release.anime_id,
            link_confidence=release.link_confidence,
            title=release.name_ru,
            title_english=release.name_en,
            title_alternative=release.name_alternative,
            description=release.description,
            type=release.type,
            status=release.status,
            season=release.season,
            year=release.year,
            genres=list(release.genres or ()),
            episodes_total=release.episodes_total,
            episodes_released=None if release.episodes is None else len(release.episodes),
            image_url=release.poster_large,
            blocked=release.blocked,
            updated_at=release.updated_at or release.fresh_at,
            fetched_at=release.fetched_at,
        )


def _span(span: tuple[int | None, int | None] | None) -> SpanOut | None:
    return None if span is None else SpanOut(start=span[0], stop=span[1])
