"""An anime or manga, from an upstream that has both."""

from dataclasses import dataclass

from app.schemas.domain.library import MediaType


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamMedia:
    """``total`` is the number of episodes or chapters, None if unknown."""

    anilist_id: int
    mal_id: int | None
    media_type: MediaType
    title: str
    image_url: str | None
    total: int | None
    format: str | None = None
    site_url: str | None = None
