"""Map AniList's objects to ours."""

from typing import Any

from app.schemas.domain.library import MediaType
from app.schemas.domain.media import UpstreamMedia
from app.schemas.domain.sync import RemoteAccount
from app.schemas.limits import MAX_PROGRESS
from app.utils.text.cleaning import clean_line, clean_text, clean_url, read_int

_COVERS = ("extraLarge", "large", "medium")


class MappingError(ValueError):
    """The object does not have AniList's documented structure."""


def map_media(raw: Any, asked: MediaType | None = None) -> UpstreamMedia:
    """Map a title; raises :class:`MappingError` if there is no id or no title.

    ``asked`` is the media type to assume if the object does not state it.
    """
    if not isinstance(raw, dict):
        raise MappingError("a title is not an object")
    anilist_id = read_int(raw.get("id"), low=1)
    titles, covers = as_object(raw.get("title")), as_object(raw.get("coverImage"))
    title = _first(titles, "romaji", "english", "native", "userPreferred")
    if anilist_id is None or title is None:
        raise MappingError("a title has no id or no name")
    manga = raw["type"] == "MANGA" if raw.get("type") else asked == "manga"
    return UpstreamMedia(
        anilist_id=anilist_id,
        mal_id=read_int(raw.get("idMal"), low=1),
        media_type="manga" if manga else "anime",
        title=title[:500],
        image_url=next((url for name in _COVERS if (url := clean_url(covers.get(name)))), None),
        total=read_int(raw.get("chapters" if manga else "episodes"), 1, MAX_PROGRESS),
        format=clean_line(raw.get("format")),
        site_url=clean_url(raw.get("siteUrl")),
    )


def map_viewer(raw: Any, token: str) -> RemoteAccount:
    """The account of the token; raises :class:`MappingError`."""
    viewer = as_object(raw)
    user_id, name = read_int(viewer.get("id"), low=1), clean_text(viewer.get("name"))
    if user_id is None:
        raise MappingError("a user has no id")
    scale = clean_text(as_object(viewer.get("mediaListOptions")).get("scoreFormat"))
    return RemoteAccount(user_id, (name or str(user_id))[:100], scale, token)


def as_object(raw: Any) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}


def _first(raw: dict[str, Any], *names: str) -> str | None:
    return next((text for name in names if (text := clean_text(raw.get(name)))), None)
