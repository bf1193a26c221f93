"""An anime or manga as an upstream of both kinds describes it."""

from dataclasses import dataclass

from app.schemas.domain.library import MediaType


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamMedia:
    """``total`` is the number of episodes or chapters, None while nobody knows."""

    anilist_id: int
    mal_id: int | None
    media_type: MediaType
    title: str
    image_url: str | None
    total: int | None
    format: str | None = None
    site_url: str | None = None
