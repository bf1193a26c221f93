"""Schemas of imports."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import Action, ImportReport


class RowReportOut(BaseModel):
    """``line`` is the position of the entry in the file, from 1.

    ``matched`` is true if the row was linked to the catalogue title ``anime_id``; ``changes`` has the old and
    the new value of each changed field of an entry that was on the list.
    """

    model_config = ConfigDict(from_attributes=True)

    line: int
    title: str | None
    action: Action
    reason: str | None
    media_type: MediaType | None
    anime_id: int | None
    matched: bool
    changes: dict[str, list[Any]]


class ImportReportOut(BaseModel):
    added: int
    updated: int
    unchanged: int
    skipped: int
    failed: int
    rows: list[RowReportOut]

    @classmethod
    def of(cls, report: ImportReport) -> "ImportReportOut":
        return cls(
            added=report.count("added"),
            updated=report.count("updated"),
            unchanged=report.count("unchanged"),
            skipped=report.count("skipped"),
            failed=report.count("failed"),
            rows=[RowReportOut.model_validate(row) for row in report.rows],
        )
