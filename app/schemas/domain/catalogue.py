"""Queries of the catalogue, and titles added by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from app.schemas.domain.anime import Season, Status, UpstreamAnime, UpstreamTag

AnimeSort = Literal[
    "score", "-score", "title", "-title", "year", "-year", "popularity", "-popularity", "updated", "-updated"
]

# The keys of a title, in the order of its JSON.
ANIME_KEYS = (
    "id", "mal_id", "anilist_id", "title", "title_english", "title_japanese", "title_russian", "synonyms",
    "type", "source", "status", "season", "year", "episodes", "duration_minutes", "rating", "score",
    "scored_by", "rank", "popularity", "members", "synopsis", "image_url", "images", "trailer_url",
    "aired_from", "aired_to", "broadcast", "genres", "themes", "demographics", "studios",
    "relations_count", "created_at", "updated_at", "synced_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueFilter:
    """A filter on titles; all conditions must hold.

    A title must have one of ``statuses``, ``seasons``, ``types`` and ``ids``, if given. ``genres`` are names
    or ids of genres, themes and demographics. ``search`` is free text.
    """

    genres: tuple[str, ...] = ()
    genres_excluded: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    seasons: tuple[Season, ...] = ()
    types: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    year: int | None = None
    year_from: int | None = None
    year_to: int | None = None
    min_score: float | None = None
    search: str | None = None
    sfw: bool = False

    @property
    def names_genres(self) -> bool:
        return bool(self.genres or self.genres_excluded)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSpec:
    """Which page of the matching titles to return, and which of their keys."""

    limit: int = 20
    offset: int = 0
    keys: tuple[str, ...] = ANIME_KEYS


@dataclass(frozen=True, slots=True)
class NewAnime:
    """A title added by hand; ``tag_ids`` are further genres, themes and demographics."""

    anime: UpstreamAnime
    tag_ids: tuple[int, ...] = ()

    def stated(self, known: Mapping[int, UpstreamTag]) -> UpstreamAnime:
        """The title including the tags of ``tag_ids``, which are looked up in ``known``."""
        tags = (*self.anime.tags, *(known[tag_id] for tag_id in self.tag_ids))
        return replace(self.anime, tags=tuple(dict.fromkeys(tags)))
