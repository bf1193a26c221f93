"""Tells pictures of a title from the ones that sites show where they have none."""

import re
from collections.abc import Mapping
from typing import Any

# The last part of the path, without its ending and whatever size or hash follows the name.
_PLACEHOLDER_NAME = re.compile(
    r"(apple-touch-icon|icons?|questionmark|qm|blank|default|missing|placeholder"
    r"|(company_|poster_)?no[_-]?(pic|picture|image|img|photo|poster|cover|thumb|thumbnail)"
    r"|image[_-]?(not[_-]?(found|available)|missing)|not[_-]?found)"
    r"([_-](small|medium|large|original|preview|main|poster|cover|image|thumb|thumbnail|x?\d+)"
    r"|[_-][0-9a-f]{16,})*"
)
_PLACEHOLDER_FOLDER = re.compile(r"/(icons?|missing|placeholders?|anime-offline-database)/")
_NAMES_ITS_VIDEO = re.compile(r"https?://[^/]*(youtube|ytimg)\.", re.IGNORECASE)  # .../default.jpg is a still


def is_placeholder(url: str) -> bool:
    """Whether this is what MyAnimeList, AniList, Kitsu, Shikimori or manami-project show for no picture."""
    if _NAMES_ITS_VIDEO.match(url):
        return False
    path = re.split("[?#]", url.partition("://")[2].lower(), maxsplit=1)[0]
    stem = re.sub(r"(@\dx)?\.\w{1,5}$", "", path.rpartition("/")[2])
    return bool(_PLACEHOLDER_NAME.fullmatch(stem) or _PLACEHOLDER_FOLDER.search(path))


def real_picture(url: str | None) -> str | None:
    return None if url is None or is_placeholder(url) else url


def real_pictures(images: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The object with null for every placeholder in it; ``None`` where no picture is left."""
    if images is None:
        return None
    kept = {
        kind: {size: real_picture(url) for size, url in sizes.items()} if isinstance(sizes, Mapping) else None
        for kind, sizes in images.items()
    }
    return kept if any(url for sizes in kept.values() if sizes for url in sizes.values()) else None
