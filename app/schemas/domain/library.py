"""List entries as the services use them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from app.schemas.limits import MAX_PROGRESS, MAX_REWATCHES

EntryStatus = Literal["watching", "completed", "plan_to_watch", "dropped", "on_hold"]
MediaType = Literal["anime", "manga"]
# What can change entries; `anilist` is a sync, `match` a title that was added to the catalogue.
ORIGINS = ("api", "tracker", "watch", "import", "anilist", "conflict", "match", "undo")
Shape = Literal["core", "tracker"]  # whose field names and values an entry is rendered with
ENTRY_STATUSES: tuple[EntryStatus, ...] = ("watching", "completed", "plan_to_watch", "dropped", "on_hold")


# The keys of an entry on the core surface, in the order of its JSON.
ENTRY_KEYS = (
    "id", "anime_id", "media_type", "status", "score", "progress", "max_progress", "is_rewatching",
    "rewatch_count", "started_at", "finished_at", "notes", "tags", "is_private", "version", "created_at",
    "updated_at", "anime",
)  # fmt: skip


PUBLIC_ENTRY_KEYS = tuple(key for key in ENTRY_KEYS if key not in ("notes", "is_private"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryState:
    """The part of an entry that the user can edit. ``score`` is 0 to 100 or None; dates can be partial.

    ``max_progress`` is the user's own total; it overrides the catalogue's, and 0 means unknown. Counts are
    capped at the limits of the domain, whatever was added, imported or undone.
    """

    status: EntryStatus
    score: int | None = None
    progress: int = 0
    volumes: int | None = None
    max_progress: int | None = None
    is_rewatching: bool = False
    rewatch_count: int = 0
    started_at: str | None = None
    finished_at: str | None = None
    notes: str | None = None
    tags: tuple[str, ...] = ()
    is_private: bool = False
    title: str | None = None
    source: str | None = None
    cover_url: str | None = None
    format: str | None = None
    site_url: str | None = None
    carried: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, maximum in _LARGEST.items():
            if (getattr(self, name) or 0) > maximum:
                object.__setattr__(self, name, maximum)
        if self.max_progress == 0:
            object.__setattr__(self, "max_progress", None)


_LARGEST = {
    "progress": MAX_PROGRESS,
    "volumes": MAX_PROGRESS,
    "max_progress": MAX_PROGRESS,
    "rewatch_count": MAX_REWATCHES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The title of an entry: from the catalogue, or known to the user only.

    ``total`` is the number of episodes or chapters; ``is_finished`` means that there will be no more.
    """

    media_type: MediaType
    anime_id: int | None = None
    mal_id: int | None = None
    anilist_id: int | None = None
    title: str | None = None
    image_url: str | None = None
    score: float | None = None
    format: str | None = None
    site_url: str | None = None
    total: int | None = None
    is_finished: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """``progress_changed_at`` is when status, progress or rewatching last changed."""

    id: int
    user_id: int
    version: int
    subject: Subject
    state: EntryState
    created_at: datetime
    updated_at: datetime
    progress_changed_at: datetime

    @property
    def total(self) -> int | None:
        return self.state.max_progress or self.subject.total

    @property
    def format(self) -> str | None:
        return self.subject.format or self.state.format


@dataclass(frozen=True, slots=True)
class RenderedEntry:
    """An entry as JSON; ``id`` and ``version`` form its ETag."""

    id: int
    version: int
    anime_id: int | None
    body: bytes


@dataclass(frozen=True, slots=True)
class ListChanges:
    """The changes of a list: JSON arrays of entries and of deletions.

    ``last`` is the time and the entry id of the newest of them; None if there are none.
    """

    entries: bytes
    deleted: bytes
    last: tuple[datetime, int] | None
    has_more: bool


@dataclass(frozen=True, slots=True)
class EntryChange:
    """``before`` is None for an addition, ``after`` for a deletion; ``job_id`` is the import that made it.

    ``created_at`` is the creation time of a deleted entry; None if it was not recorded.
    """

    id: int
    entry_id: int
    subject: Subject
    origin: str
    job_id: int | None
    before: EntryState | None
    after: EntryState | None
    changed_at: datetime
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EntryCount:
    """The number of entries of a type and a status."""

    media_type: MediaType
    status: EntryStatus
    number: int


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One change of one entry: ``before`` and ``after`` have the fields that it changed.

    ``before`` is None for an addition, ``after`` for a deletion; the other side then has the whole entry.
    """

    id: int
    entry_id: int
    anime_id: int | None
    title: str | None
    image_url: str | None
    origin: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    changed_at: datetime
