"""Playback, favourites and collections as the services use them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AnimeCard:
    """The short form of a title."""

    id: int
    mal_id: int | None
    title: str
    image_url: str | None
    score: float | None
    episodes: int | None
    title_english: str | None = None
    title_russian: str | None = None
    title_japanese: str | None = None


@dataclass(frozen=True, slots=True)
class Favorite:
    id: int
    anime: AnimeCard
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WatchProgress:
    """Where a user stopped; ``percent`` is computed from the position if only that was reported.

    ``id`` is None if nothing was played and the progress comes from the list alone.
    """

    id: int | None
    anime: AnimeCard
    episode: int
    position_seconds: int | None
    percent: float | None
    created_at: datetime
    last_watched_at: datetime


@dataclass(frozen=True, slots=True)
class View:
    id: int
    anime: AnimeCard
    episode: int
    release_id: int | None
    viewed_at: datetime


@dataclass(frozen=True, slots=True)
class Owner:
    id: int
    username: str
    avatar: str | None


@dataclass(frozen=True, slots=True)
class Collection:
    """``covers`` are the pictures of its first titles that have one, at most four."""

    id: int
    owner: Owner
    name: str
    description: str | None
    is_public: bool
    shared: bool
    items_count: int
    covers: list[str]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CollectionItem:
    anime: AnimeCard
    position: int
    added_at: datetime
