"""The rules of a list entry: how edits affect progress, dates and completion."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.errors import FieldError, Invalid, field_details
from app.schemas.domain.library import EntryState, Subject


class ProgressAboveTotal(Invalid):
    """The progress exceeds the total."""

    def __init__(self, total: int, *, field: str = "progress") -> None:
        error = FieldError(field, f"There are only {total}.", "above_total", {"max": total})
        super().__init__(f"{field}: {error.message}", details={**field_details([error]), "max": total})


def edited(before: EntryState | None, sent: Mapping[str, Any], subject: Subject, today: str) -> EntryState:
    """The entry after an edit of exactly the fields in ``sent``.

    Sent values are never changed; others may follow from them. ``before`` is None for a new entry, ``today``
    is used for the two date fields, as ``YYYY-MM-DD``. Raises :class:`ProgressAboveTotal`.
    """
    after = EntryState(**sent) if before is None else replace(before, **sent)
    total = after.max_progress or subject.total
    if (
        total is not None
        and after.progress > total
        and not sent.keys().isdisjoint(("progress", "max_progress"))
    ):
        raise ProgressAboveTotal(total, field="progress" if "progress" in sent else "max_progress")
    after = _started(before, after, sent, today)
    at_the_end = _reached_the_end(before, after, subject)
    if at_the_end and "status" not in sent:
        after = replace(after, status="completed")
    if after.status == "completed" and _may_complete(before, explicit=at_the_end or "status" in sent):
        after = _completed(before, after, sent, subject, today)
    return after


def watched(
    before: EntryState | None, episode: int, subject: Subject, today: str, *, late: bool = False
) -> EntryState:
    """The entry after an episode was watched to its end.

    A missing title is added. Progress never decreases, nor exceeds the total. A planned, paused or dropped
    title becomes "watching"; the last episode of a finished title completes it, and ends a rewatch. ``late``:
    the episode was watched before the last change of the entry, so a title paused or dropped since stays so.
    """
    start = before or EntryState(status="watching")
    total = start.max_progress or subject.total
    seen = episode if total is None else min(episode, total)
    sent: dict[str, Any] = {"progress": seen} if seen > start.progress else {}
    if late and start.status in ("on_hold", "dropped"):
        sent["status"] = start.status
    elif subject.is_finished and total is not None and seen >= total:
        sent["status"] = "completed"
    elif start.status in ("plan_to_watch", "on_hold", "dropped"):
        start = replace(start, status="watching")
    return edited(start, sent, subject, today)


def _started(before: EntryState | None, after: EntryState, sent: Mapping[str, Any], today: str) -> EntryState:
    if after.progress == 0 or (before is not None and before.progress > 0):
        return after
    if after.started_at is None and "started_at" not in sent and after.finished_at is None:
        after = replace(after, started_at=today)
    if after.status in ("plan_to_watch", "on_hold") and "status" not in sent:
        after = replace(after, status="watching")
    return after


def _reached_the_end(before: EntryState | None, after: EntryState, subject: Subject) -> bool:
    total = after.max_progress or subject.total
    moved = before is None or after.progress > before.progress
    return subject.is_finished and moved and total is not None and after.progress >= total


def _may_complete(before: EntryState | None, *, explicit: bool) -> bool:
    """Whether this edit may complete the entry; a rewatch ends only if the edit says so."""
    return before is None or before.status != "completed" or (before.is_rewatching and explicit)


def _completed(
    before: EntryState | None, after: EntryState, sent: Mapping[str, Any], subject: Subject, today: str
) -> EntryState:
    total = after.max_progress or subject.total
    if "progress" not in sent and total is not None and (subject.is_finished or after.max_progress):
        after = replace(after, progress=max(after.progress, total))
    if after.finished_at is None and "finished_at" not in sent:
        after = replace(after, finished_at=today)
    if before is not None and before.is_rewatching and "is_rewatching" not in sent:
        after = replace(after, is_rewatching=False)
        if "rewatch_count" not in sent:
            after = replace(after, rewatch_count=before.rewatch_count + 1)
    return after
