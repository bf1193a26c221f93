"""List entries as services speak of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from app.schemas.limits import MAX_PROGRESS, MAX_REWATCHES

EntryStatus = Literal["watching", "completed", "plan_to_watch", "dropped", "on_hold"]
MediaType = Literal["anime", "manga"]
# What makes changes of entries; `anilist` is a sync, `match` a title that came into the catalogue.
ORIGINS = ("api", "tracker", "watch", "import", "anilist", "conflict", "match", "undo")
Shape = Literal["core", "tracker"]  # whose field names and words an entry is shown in
ENTRY_STATUSES: tuple[EntryStatus, ...] = ("watching", "completed", "plan_to_watch", "dropped", "on_hold")


# The keys of an entry as the core surface shows it, in the order in which its JSON has them.
ENTRY_KEYS = (
    "id", "anime_id", "media_type", "status", "score", "progress", "max_progress", "is_rewatching",
    "rewatch_count", "started_at", "finished_at", "notes", "tags", "is_private", "version", "created_at",
    "updated_at", "anime",
)  # fmt: skip


PUBLIC_ENTRY_KEYS = tuple(key for key in ENTRY_KEYS if key not in ("notes", "is_private"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryState:
    """What a person can edit. ``score`` is 0 to 100 or None; dates are as precise as they are known.

    ``max_progress`` is the person's own total; it goes before the catalogue's, and 0 means unknown.
    Counts stop at the limits of the domain, whatever was added up, imported or taken back.
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
        for name, most in _LARGEST.items():
            if (getattr(self, name) or 0) > most:
                object.__setattr__(self, name, most)
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
    """What an entry is about: a catalogue title, or one that only the person knows.

    ``total`` is the number of episodes or chapters; ``is_finished`` says that no more will come.
    """

    media_type: MediaType
    anime_id: int | None = None
    mal_id: int | None = None
    anilist_id: int | None = None
    title: str | None = None
    image_url: str | None = None
    score: float | None = None
    format: str | None = None
    total: int | None = None
    is_finished: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """``progress_changed_at``: since when status, progress and rewatching are as they are."""

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
    """An entry as JSON; ``id`` and ``version`` make its ETag."""

    id: int
    version: int
    anime_id: int | None
    body: bytes


@dataclass(frozen=True, slots=True)
class ListChanges:
    """What has changed on a list: JSON arrays of entries and of deletions.

    ``last`` is the instant and the entry id of the newest change among them; None where there is none.
    """

    entries: bytes
    deleted: bytes
    last: tuple[datetime, int] | None
    has_more: bool


@dataclass(frozen=True, slots=True)
class EntryChange:
    """``before`` is None for an addition, ``after`` for a deletion; ``job_id`` names the import it was of.

    ``created_at`` is, of a deletion, when the entry had been made; None where that was not noted.
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
    """How many entries share a type and a status."""

    media_type: MediaType
    status: EntryStatus
    number: int


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One change of one entry, as far as it goes: ``before`` and ``after`` hold the fields that it changed.

    ``before`` is None for an addition, ``after`` for a deletion; what stands there then is the whole entry.
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
