"""Title suggestions from search sources."""

from dataclasses import dataclass
from typing import Literal

from app.schemas.domain.library import MediaType

SourceName = Literal["anilist", "mangadex", "catalogue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """``id`` is the source's own; ``anime_id`` is the catalogue's. Unknown totals are None."""

    id: str
    source: SourceName
    title: str
    media_type: MediaType
    cover_url: str | None = None
    chapters: int | None = None
    episodes: int | None = None
    anime_id: int | None = None
    anilist_id: int | None = None
    mal_id: int | None = None
    format: str | None = None
    site_url: str | None = None

    @property
    def total(self) -> int | None:
        return self.chapters if self.media_type == "manga" else self.episodes
