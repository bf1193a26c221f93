"""Schemas of title sources on the tracker surface."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from app.schemas.domain.library import MediaType
from app.schemas.domain.sources import SourceName


class SourceOut(BaseModel):
    id: Literal["anilist", "mangadex"]
    name: str
    type: Literal["anime", "manga", "both"]


SOURCES = [
    SourceOut(id="anilist", name="AniList", type="both"),
    SourceOut(id="mangadex", name="MangaDex", type="manga"),
]


class SuggestionOut(BaseModel):
    """``id`` is the id at the ``source``; ``anime_id`` is the catalogue's, if it has the title."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    title: str
    type: MediaType
    source: SourceName
    cover_url: str | None
    chapters: int | None
    episodes: int | None
    anime_id: int | None
    anilist_id: int | None
    mal_id: int | None
    format: str | None
    site_url: str | None


class CacheStatsOut(BaseModel):
    """Totals of all processes; ``hit_rate`` is 0 to 1, null before the first read."""

    hits: int
    misses: int
    hit_rate: float | None

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "CacheStatsOut":
        hits, misses = counts["hits"], counts["misses"]
        rate = round(hits / (hits + misses), 4) if hits + misses else None
        return cls(hits=hits, misses=misses, hit_rate=rate)


class MaxOut(BaseModel):
    """``max`` is the number of episodes or chapters; null if unknown."""

    max: int | None
