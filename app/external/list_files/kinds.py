"""Determine whether a row is an anime or a manga: from the file, otherwise from the user's statement."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from app.errors import FieldError, field_details
from app.external.list_files.unpacking import UnreadableList
from app.schemas.domain.library import MediaType

_WORDS: dict[MediaType, frozenset[str]] = {
    # types and formats of MyAnimeList, AniList and Shikimori
    "anime": frozenset(
        ("anime", "tv", "tv short", "tv special", "movie", "ova", "ona", "special", "music", "pv", "cm")
    ),
    "manga": frozenset(
        (
            "manga",
            "novel",
            "light novel",
            "one shot",
            "oneshot",
            "doujinshi",
            "manhwa",
            "manhua",
            "oel",
            "ranobe",
        )
    ),
}
_KIND_OF = {word: kind for kind, words in _WORDS.items() for word in words}
_PATH = re.compile(r"/(anime|manga)(?:list)?s?(?:[/?]|$)")


class KindNotStated(ValueError):
    """The row could be an anime or a manga, so its id could belong to either of two titles."""

    def __init__(self) -> None:
        super().__init__("the file does not say whether this is an anime or a manga")


_UNKNOWN = FieldError("type", "anime or manga is needed for this file.", "required")


class UnknownKind(UnreadableList):
    """Neither the rows of the file nor the user state whether the file lists anime or manga."""

    default_message = (
        "The file does not say whether it lists anime or manga: "
        "send it again with ?type=anime or with ?type=manga."
    )

    def __init__(self) -> None:
        super().__init__(details=field_details([_UNKNOWN]))


def kind_of_word(word: Any) -> MediaType | None:
    """The kind of a type or format of any service, in any case and spelling."""
    return _KIND_OF.get(re.sub(r"[^a-z]+", " ", str(word or "")[:40].lower()).strip())


def kind_of_url(url: Any) -> MediaType | None:
    """The kind in the URL of a page or a cover image."""
    found = _PATH.search(url[:500]) if isinstance(url, str) else None
    return None if found is None else "manga" if found[1] == "manga" else "anime"


def kind_of_keys(row: Mapping[str, Any], keys: Mapping[MediaType, Iterable[str]]) -> MediaType | None:
    """The kind whose keys the row has, provided that it has none of the other kind.

    If it has both, non-zero values decide, as for a manga with chapters and 0 episodes.
    """
    for has in (row.__contains__, row.get):
        kinds = [kind for kind, names in keys.items() if any(has(name) for name in names)]
        if len(kinds) == 1:
            return kinds[0]
    return None


def stated(*kinds: MediaType | None) -> MediaType:
    """The first known kind; raises :class:`KindNotStated` if there is none."""
    found = next((kind for kind in kinds if kind is not None), None)
    if found is None:
        raise KindNotStated
    return found
