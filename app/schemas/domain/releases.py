"""Releases: titles of a dubbing or streaming source, with episodes; possibly linked to an anime."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.schemas.domain.anime import Season, Status

ReleaseSource = Literal["anilibria"]
ReleaseSort = Literal["id", "year", "rating", "updated", "popular", "fresh"]


@dataclass(frozen=True, slots=True)
class VideoSource:
    """``quality`` is like ``1080p``, ``type`` is ``hls`` or ``mp4``."""

    quality: str
    url: str
    type: str = "hls"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamEpisode:
    """``duration`` is in seconds; ``sort_order`` is the position in the source's list."""

    external_id: str
    ordinal: float
    name: str | None = None
    name_english: str | None = None
    preview: str | None = None
    duration: int | None = None
    sources: tuple[VideoSource, ...] = ()
    rutube_id: str | None = None
    youtube_id: str | None = None
    opening: tuple[int | None, int | None] | None = None
    ending: tuple[int | None, int | None] | None = None
    sort_order: int = 0
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRelease:
    """A source's data of a release.

    ``genres`` and ``episodes`` are None if the endpoint does not return them. ``latest`` is the newest
    episode, if the source states it. ``publish_day`` is 1 (Monday) to 7. ``episode_minutes`` is the usual
    length of an episode. ``status`` is None if the response does not state it.
    """

    external_id: int
    name_ru: str
    name_en: str | None = None
    name_alternative: str | None = None
    alias: str | None = None
    description: str = ""
    type: str | None = None
    status: Status | None = None
    year: int | None = None
    season: Season | None = None
    episodes_total: int | None = None
    poster_small: str | None = None
    poster_medium: str | None = None
    poster_large: str | None = None
    favorites: int = 0
    publish_day: int | None = None
    age_rating: str | None = None
    notification: str | None = None
    external_player: str | None = None
    episode_minutes: int | None = None
    blocked: bool = False
    fresh_at: datetime | None = None
    added_at: datetime | None = None
    updated_at: datetime | None = None
    genres: tuple[str, ...] | None = None
    episodes: tuple[UpstreamEpisode, ...] | None = None
    latest: UpstreamEpisode | None = None


@dataclass(frozen=True, slots=True)
class UpstreamReleasePage:
    """``pages`` is the number of pages; ``skipped`` is the number of items that could not be mapped."""

    items: tuple[UpstreamRelease, ...]
    total: int
    pages: int
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class ScheduledRelease:
    """A release of the weekly schedule, and the number of its next episode."""

    release: UpstreamRelease
    next_episode: int | None


@dataclass(frozen=True, slots=True)
class UpstreamGenre:
    id: int
    name: str
    total: int | None
    image: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(UpstreamRelease):
    """A stored release. ``episodes`` is None while only a summary is stored.

    ``fetched_at`` is when the source was last asked; ``rating`` is the score of the linked anime,
    ``link_confidence`` the confidence of the link, 0 to 1.
    """

    id: int
    status: Status = "finished"
    source: ReleaseSource = "anilibria"
    anime_id: int | None = None
    link_confidence: float | None = None
    rating: float | None = None
    latest_ordinal: float | None = None
    fetched_at: datetime
    detailed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode(UpstreamEpisode):
    """A stored episode of the release ``release_id``."""

    id: int
    release_id: int


@dataclass(frozen=True, slots=True)
class ReleaseFilter:
    """All conditions must hold; ``search`` is a case-insensitive part of any name, without wildcards."""

    search: str | None = None
    year: int | None = None
    season: Season | None = None
    status: Status | None = None
    genres: tuple[str, ...] = ()
    anime_id: int | None = None


@dataclass(frozen=True, slots=True)
class ReleasePage:
    releases: list[Release]
    total: int


@dataclass(frozen=True, slots=True)
class PollState:
    """When the newest releases of a source were last read, and when all of its catalogue was."""

    polled_at: datetime | None
    mirrored_at: datetime | None
