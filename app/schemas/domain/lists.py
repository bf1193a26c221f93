"""A list as a file from another service holds it, and what became of each of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.schemas.domain.library import MediaType, Subject

Action = Literal["added", "updated", "unchanged", "skipped", "failed"]
ACTIONS: tuple[Action, ...] = ("added", "updated", "unchanged", "skipped", "failed")
ExportFormat = Literal["mal_xml", "json", "csv"]
ReportFormat = Literal["json", "csv"]


@dataclass(frozen=True, slots=True)
class ListedRow:
    """One row: ``fields`` holds what the file states of an entry's state, by its names.

    ``rounded_score`` says that the file's scores are whole numbers of ten, so that one of ours that
    rounds to theirs stands. ``note`` is told in the report.
    """

    line: int
    subject: Subject
    fields: Mapping[str, Any]
    rounded_score: bool = False
    note: str | None = None


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
    line: int
    title: str | None
    action: Action
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """``rows`` in the order of the file."""

    rows: list[RowReport]

    def count(self, action: Action) -> int:
        return sum(row.action == action for row in self.rows)


@dataclass(frozen=True, slots=True)
class ExportedEntry:
    """An entry with what an export says of its title."""

    media_type: MediaType
    mal_id: int | None
    anilist_id: int | None
    title: str
    format: str | None
    total: int | None
    fields: Mapping[str, Any]
