"""Titles of the AniLibria v2 surface: the only code that knows their field names."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, Field

from app.schemas.domain.anime import Season, Status
from app.schemas.domain.releases import Release, UpstreamEpisode, VideoSource

TitleStatus = Literal["ongoing", "completed", "announced"]
TitleSeason = Literal["winter", "spring", "summer", "autumn"]

STATUS_WORDS: dict[Status, TitleStatus] = {
    "airing": "ongoing",
    "finished": "completed",
    "upcoming": "announced",
}
SEASON_WORDS: dict[Season, TitleSeason] = {
    "winter": "winter",
    "spring": "spring",
    "summer": "summer",
    "fall": "autumn",
}


class TitleNames(BaseModel):
    ru: str
    en: str | None = None
    alternative: str | None = None


class EpisodeCount(BaseModel):
    total: Annotated[int | None, Field(description="Number of announced episodes; null if unknown.")]
    current: Annotated[int | None, Field(description="Number of released episodes; null if unknown.")]


class Poster(BaseModel):
    small: str | None = None
    medium: str | None = None
    large: str | None = None


class EpisodeSource(BaseModel):
    quality: Annotated[str, Field(examples=["1080p", "720p", "480p"])]
    url: str
    type: str = "hls"


class Skip(BaseModel):
    """Seconds from the start of the episode; either may be unknown."""

    start: int | None
    stop: int | None


class PlayerEpisode(BaseModel):
    number: Annotated[int | float | None, Field(description="An integer, or a fraction such as 12.5.")] = None
    name: str | None
    preview: str | None = None
    duration: Annotated[int | None, Field(description="Seconds.")] = None
    sources: list[EpisodeSource]
    opening: Skip | None = None
    ending: Skip | None = None
    rutube_id: str | None = None
    youtube_id: str | None = None
    updated_at: datetime | None = None


class Player(BaseModel):
    episodes: Annotated[
        dict[str, PlayerEpisode],
        Field(description="By number as text, in AniLibria's order; empty if unknown."),
    ]


class Title(BaseModel):
    """A release of AniLibria."""

    id: Annotated[int, Field(description="AniLibria's id.")]
    names: TitleNames
    alias: str | None = None
    description: str
    type: Annotated[str | None, Field(description="TV, Movie, OVA, ONA, Special…")]
    status: TitleStatus
    genres: list[str]
    year: int | None
    season: TitleSeason | None
    episodes: EpisodeCount
    poster: Poster
    player: Player
    rating: Annotated[float | None, Field(description="The score of the linked anime.")] = None
    age_rating: str | None = None
    publish_day: Annotated[int | None, Field(description="1 is Monday, 7 Sunday.")] = None
    favorites: int = 0
    updated_at: datetime | None
    blocked: bool = False
    anime_id: Annotated[int | None, Field(description="Our id of the linked anime.")] = None


def render_title(release: Release) -> bytes:
    """The JSON of :class:`Title`."""
    return orjson.dumps(title_of(release), option=orjson.OPT_UTC_Z)


def title_of(release: Release) -> dict[str, Any]:
    return {
        "id": release.external_id,
        "names": {"ru": release.name_ru, "en": release.name_en, "alternative": release.name_alternative},
        "alias": release.alias,
        "description": release.description,
        "type": release.type,
        "status": STATUS_WORDS[release.status],
        "genres": list(release.genres or ()),
        "year": release.year,
        "season": SEASON_WORDS[release.season] if release.season else None,
        "episodes": {"total": release.episodes_total, "current": _current(release)},
        "poster": {
            "small": release.poster_small,
            "medium": release.poster_medium,
            "large": release.poster_large,
        },
        "player": {"episodes": _by_number(release.episodes or ())},
        "rating": release.rating,
        "age_rating": release.age_rating,
        "publish_day": release.publish_day,
        "favorites": release.favorites,
        "updated_at": release.updated_at or release.fresh_at or release.added_at,
        "blocked": release.blocked,
        "anime_id": release.anime_id,
    }


def _by_number(episodes: Iterable[UpstreamEpisode]) -> dict[str, Any]:
    """Of several episodes with the same number, the last one that can be played."""
    chosen: dict[str, UpstreamEpisode] = {}
    for episode in episodes:
        number = number_text(episode.ordinal)
        if number not in chosen or _is_playable(episode) or not _is_playable(chosen[number]):
            chosen[number] = episode
    return {number: _episode(episode) for number, episode in chosen.items()}


def _is_playable(episode: UpstreamEpisode) -> bool:
    return bool(episode.sources or episode.rutube_id or episode.youtube_id)


def number_text(ordinal: float) -> str:
    """An episode number such as ``12`` or ``12.5``."""
    return str(number_of(ordinal))


def number_of(ordinal: float) -> int | float:
    return int(ordinal) if ordinal.is_integer() else ordinal


def _current(release: Release) -> int | None:
    """The number of released episodes; for a summary, the number of the latest one."""
    if release.episodes is not None:
        return len({episode.ordinal for episode in release.episodes})
    return None if release.latest_ordinal is None else int(release.latest_ordinal)


def _episode(episode: UpstreamEpisode) -> dict[str, Any]:
    return {
        "number": number_of(episode.ordinal),
        "name": episode.name or episode.name_english,
        "preview": episode.preview,
        "duration": episode.duration,
        "sources": [_source(source) for source in episode.sources],
        "opening": _skip(episode.opening),
        "ending": _skip(episode.ending),
        "rutube_id": episode.rutube_id,
        "youtube_id": episode.youtube_id,
        "updated_at": episode.updated_at,
    }


def _source(source: VideoSource) -> dict[str, str]:
    return {"quality": source.quality, "url": source.url, "type": source.type}


def _skip(span: tuple[int | None, int | None] | None) -> dict[str, int | None] | None:
    return None if span is None else {"start": span[0], "stop": span[1]}
