"""Cover images: their sizes, and which URLs are placeholders."""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

Pictures: TypeAlias = dict[str, str | None]
"""The cover of a title as ``small``, ``medium`` and ``large``, and its ``color`` as ``#rrggbb``."""

UNKNOWN: Mapping[str, str | None] = {"small": None, "medium": None, "large": None, "color": None}
_SIZES = {"small": "small_image_url", "medium": "image_url", "large": "large_image_url"}  # ours: theirs
_AT_MAL = re.compile(
    r"(https?://(?:(?:(?:api-)?cdn\.|www\.)?myanimelist\.net|myanimelist\.cdn-dena\.com))(?:/r/\d+x\d+)?"
    r"(/images/(?:anime|manga)/\d+/\d+)[tlv]?(\.\w+)(?:\?.*)?$"
)
_AT_ANILIST = re.compile(
    r"(https?://\w+\.anilist\.co/(?:file/anilistcdn/)?media/(?:anime|manga)/cover/)"
    r"(?:small|medium|large)(/[\w.-]+)(?:\?.*)?$"
)

# The last part of the path without its extension, optionally followed by a size or a hash.
_PLACEHOLDER_NAME = re.compile(
    r"(apple-touch-icon|icons?|questionmark|qm|blank|default|missing|placeholder"
    r"|(company_|poster_)?no[_-]?(pic|picture|image|img|photo|poster|cover|thumb|thumbnail)"
    r"|image[_-]?(not[_-]?(found|available)|missing)|not[_-]?found)"
    r"([_-](small|medium|large|original|preview|main|poster|cover|image|thumb|thumbnail|x?\d+)"
    r"|[_-][0-9a-f]{16,})*"
)
_PLACEHOLDER_FOLDER = re.compile(r"/(icons?|missing|placeholders?|anime-offline-database)/")
_NAMES_ITS_VIDEO = re.compile(r"https?://[^/]*(youtube|ytimg)\.", re.IGNORECASE)  # default.jpg is a still


def is_placeholder(url: str) -> bool:
    """Whether the URL is a placeholder image of MyAnimeList, AniList, Kitsu, Shikimori or manami-project."""
    if _NAMES_ITS_VIDEO.match(url):
        return False
    path = re.split("[?#]", url.partition("://")[2].lower(), maxsplit=1)[0]
    stem = re.sub(r"(@\dx)?\.\w{1,5}$", "", path.rpartition("/")[2])
    return bool(_PLACEHOLDER_NAME.fullmatch(stem) or _PLACEHOLDER_FOLDER.search(path))


def real_picture(url: str | None) -> str | None:
    return None if url is None or is_placeholder(url) else url


def sizes_of(url: str | None) -> Pictures:
    """The sizes of an image, derived from the URL schemes of MyAnimeList and AniList.

    All null for other hosts. MyAnimeList's are 50, 225 and 425 pixels wide, AniList's 100, 230 and 460. The
    database has the same function, ``picture_sizes``, for covers that are stored in list entries only.
    """
    if url is None:
        return dict(UNKNOWN)
    if of_mal := _AT_MAL.match(url):
        host, name, ending = of_mal.groups()
        small, medium, large = (f"{host}{name}{size}{ending}" for size in ("t", "", "l"))
    elif of_anilist := _AT_ANILIST.match(url):
        folder, name = of_anilist.groups()
        small, medium, large = (f"{folder}{size}{name}" for size in ("small", "medium", "large"))
    else:
        return dict(UNKNOWN)
    return {"small": small, "medium": medium, "large": large, "color": None}


def stated_sizes(images: Mapping[str, Any] | None) -> Pictures | None:
    """The sizes in MyAnimeList's format (``jpg`` is preferred to ``webp``) or in ours.

    Placeholders become null; ``None`` if no image is left.
    """
    if images is None:
        return None
    found = {size: real_picture(images.get(size)) for size in _SIZES}
    for kind in ("jpg", "webp"):
        sizes = images.get(kind) or {}
        found = {size: found[size] or real_picture(sizes.get(theirs)) for size, theirs in _SIZES.items()}
    return {**found, "color": images.get("color")} if any(found.values()) else None
