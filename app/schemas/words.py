"""Status words of other services, in any case and spelling."""

import re
from functools import lru_cache
from typing import Literal

from app.schemas.domain.library import EntryStatus, MediaType

# AniList, MyAnimeList (words and numbers), Kitsu, Shikimori, and the labels of the tracker page.
_STATUSES: dict[EntryStatus, tuple[str, ...]] = {
    "watching": (
        "watching", "reading", "current", "repeating", "rewatching", "rereading", "reading watching",
        "watching reading", "1",
    ),
    "completed": ("completed", "complete", "finished", "2"),
    "on_hold": ("on hold", "onhold", "paused", "3"),
    "dropped": ("dropped", "4"),
    "plan_to_watch": ("plan to watch", "plan to read", "planning", "planned", "ptw", "ptr", "6"),
}  # fmt: skip
_STATUS_OF = {word: status for status, words in _STATUSES.items() for word in words}
_AGAIN = frozenset(("repeating", "rewatching", "rereading"))

TrackerStatus = Literal["planning", "watching", "reading", "completed", "dropped", "on_hold"]
_TRACKER: dict[EntryStatus, TrackerStatus] = {
    "watching": "watching",
    "completed": "completed",
    "plan_to_watch": "planning",
    "dropped": "dropped",
    "on_hold": "on_hold",
}


def entry_status(word: str) -> EntryStatus | None:
    """Our status for the word; None if it is unknown."""
    return _STATUS_OF.get(_plain(word))


def means_rewatching(word: str) -> bool:
    """Whether the word means that the title is being watched or read again."""
    return _plain(word) in _AGAIN


def tracker_status(status: EntryStatus, media_type: MediaType) -> TrackerStatus:
    """The tracker's word for a status."""
    return "reading" if (status, media_type) == ("watching", "manga") else _TRACKER[status]


@lru_cache(maxsize=256)
def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", word.casefold()).strip()
