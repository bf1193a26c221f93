"""AniList's objects in our words."""

from typing import Any

from app.schemas.domain.media import UpstreamMedia
from app.schemas.limits import MAX_PROGRESS
from app.utils.text.cleaning import clean_int, clean_text


class MappingError(ValueError):
    """The object is not what AniList says that it is."""


def map_media(said: Any) -> UpstreamMedia:
    """Raises :class:`MappingError` where there is no id or no title."""
    if not isinstance(said, dict):
        raise MappingError("a title is not an object")
    anilist_id = clean_int(said.get("id"), low=1)
    titles, covers = _object(said.get("title")), _object(said.get("coverImage"))
    title = _first(titles, "romaji", "english", "native", "userPreferred")
    if anilist_id is None or title is None:
        raise MappingError("a title has no id or no name")
    manga = said.get("type") == "MANGA"
    return UpstreamMedia(
        anilist_id=anilist_id,
        mal_id=clean_int(said.get("idMal"), low=1),
        media_type="manga" if manga else "anime",
        title=title[:500],
        image_url=_first(covers, "extraLarge", "large"),
        total=clean_int(said.get("chapters" if manga else "episodes"), 1, MAX_PROGRESS),
    )


def _object(said: Any) -> dict[str, Any]:
    return said if isinstance(said, dict) else {}


def _first(said: dict[str, Any], *names: str) -> str | None:
    return next((text for name in names if (text := clean_text(said.get(name)))), None)
