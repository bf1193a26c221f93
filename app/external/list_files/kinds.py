"""Whether a row is of an anime or of a manga: by what the file says, else by what the person said."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from app.errors import FieldError, field_details
from app.external.list_files.unpacking import UnreadableList
from app.schemas.domain.library import MediaType

_WORDS: dict[MediaType, frozenset[str]] = {
    # of MyAnimeList, AniList and Shikimori
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
    """A row that may be of an anime or of a manga: an id of it could be that of another title."""

    def __init__(self) -> None:
        super().__init__("the file does not say whether this is an anime or a manga")


_UNKNOWN = FieldError("type", "anime or manga is needed for this file.", "required")


class UnknownKind(UnreadableList):
    """No row of the file says what it is of, and the person did not say either."""

    default_message = (
        "The file does not say whether it lists anime or manga: "
        "send it again with ?type=anime or with ?type=manga."
    )

    def __init__(self) -> None:
        super().__init__(details=field_details([_UNKNOWN]))


def kind_of_word(word: Any) -> MediaType | None:
    """What a type or a format of any service means, in any case and spelling."""
    return _KIND_OF.get(re.sub(r"[^a-z]+", " ", str(word or "")[:40].lower()).strip())


def kind_of_url(url: Any) -> MediaType | None:
    """What the address of a page or of a cover is of."""
    found = _PATH.search(url[:500]) if isinstance(url, str) else None
    return None if found is None else "manga" if found[1] == "manga" else "anime"


def kind_of_keys(row: Mapping[str, Any], keys: Mapping[MediaType, Iterable[str]]) -> MediaType | None:
    """The kind whose keys the row has, if it has none of the other's.

    Where it has both, what is counted decides: chapters of a manga, and 0 episodes.
    """
    for has in (row.__contains__, row.get):
        kinds = [kind for kind, names in keys.items() if any(has(name) for name in names)]
        if len(kinds) == 1:
            return kinds[0]
    return None


def stated(*kinds: MediaType | None) -> MediaType:
    """The first that is known. Raises :class:`KindNotStated`."""
    found = next((kind for kind in kinds if kind is not None), None)
    if found is None:
        raise KindNotStated
    return found
