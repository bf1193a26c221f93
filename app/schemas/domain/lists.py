"""List files of other services, and the reports of importing them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from app.schemas.domain.library import MediaType, Subject

ImportMode = Literal["merge", "replace"]
"""Whether a file may lower progress and counts of an entry (``replace``)."""
Action = Literal["added", "updated", "unchanged", "skipped", "failed"]
ACTIONS: tuple[Action, ...] = ("added", "updated", "unchanged", "skipped", "failed")
ExportFormat = Literal["mal_xml", "json", "csv"]
ReportFormat = Literal["json", "csv"]


@dataclass(frozen=True, slots=True)
class ListedRow:
    """One row; ``fields`` has what the file states, by the names of ``EntryState``; None means no value.

    ``score_range`` is the range of scores that are equal in the file's scale, in hundredths, both ends
    included: a stored score within it is kept. ``unclear_status`` is why ``fields`` has no status. ``note``
    appears in the report.
    """

    line: int
    subject: Subject
    fields: Mapping[str, Any]
    score_range: tuple[int, int] | None = None
    note: str | None = None
    unclear_status: str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    line: int
    title: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class ListFile:
    """``source`` names the service; rows and bad rows are in the order of the file, counted from 1."""

    source: str
    rows: list[ListedRow] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RowReport:
    """The result of a row. ``anime_id`` is the catalogue title that it was linked to.

    ``changes`` has the old and the new value of each changed field of an entry that was on the list.
    """

    line: int
    title: str | None
    action: Action
    reason: str | None = None
    media_type: MediaType | None = None
    anime_id: int | None = None
    changes: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def matched(self) -> bool:
        return self.anime_id is not None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """``rows`` are in the order of the file."""

    rows: list[RowReport]

    def count(self, action: Action) -> int:
        return sum(row.action == action for row in self.rows)


@dataclass(frozen=True, slots=True)
class ExportedEntry:
    """An entry with the data of its title that exports include."""

    media_type: MediaType
    mal_id: int | None
    anilist_id: int | None
    title: str
    format: str | None
    total: int | None
    fields: Mapping[str, Any]
