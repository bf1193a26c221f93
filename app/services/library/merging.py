"""Merge a row of an imported file into an existing entry: missing values erase nothing."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from app.external.list_files import readable, title_tags
from app.schemas.domain.library import Entry, EntryState, EntryStatus
from app.schemas.domain.lists import ImportMode, ListedRow

_COUNTS = ("progress", "volumes", "rewatch_count")
_DATES = ("started_at", "finished_at")
_TEXTS = ("notes", "title")
_LONGEST_TOLD = 500  # characters of a text in a report


def merged(entry: Entry, row: ListedRow, mode: ImportMode) -> tuple[EntryState, str | None]:
    """The state after the row, and the parts of the row that were rejected, with reasons.

    Missing values, zero and false are ignored, and so are counts not above ours. But mode ``replace`` takes
    counts as stated, progress even if zero; and a row of a rewatch may lower progress and volumes, though not
    to zero.
    """
    ours = entry.state
    said = {name: value for name, value in row.fields.items() if value is not None}
    may_fall = _COUNTS if mode == "replace" else ("progress", "volumes") if said.get("is_rewatching") else ()
    notes = _keep_counts(ours, said, may_fall, to_zero=mode == "replace")
    said = {name: value for name, value in said.items() if name in _COUNTS or value not in ((), False)}
    _keep_what_says_the_same(ours, said, row)
    if "carried" in said:
        said["carried"] = _carried(entry, said["carried"])
    if ours.is_rewatching and "is_rewatching" not in said:
        said["is_rewatching"] = not _ends_rewatch(ours, said)
    return replace(ours, **said), "; ".join(notes) or None


def _keep_counts(
    ours: EntryState, said: dict[str, Any], may_fall: tuple[str, ...], *, to_zero: bool
) -> list[str]:
    """Remove from ``said`` counts below the entry's; returns the notes for the report.

    The counts in ``may_fall`` may decrease, progress to zero only with ``to_zero``.
    """
    notes = []
    progress = said.get("progress") or 0
    for name in _COUNTS:
        theirs, known = said.get(name), getattr(ours, name) or 0
        falls = name in may_fall and (theirs or (to_zero and name == "progress"))
        if theirs is None or theirs >= known or falls:
            continue
        del said[name]
        if theirs:
            notes.append(f"{name.replace('_', ' ')} {theirs} is less than ours: {known} is kept")
    status = said.get("status")
    if "progress" not in may_fall and progress < ours.progress and _says_less(ours, status, progress):
        notes.append(f"status {status} is of less progress than ours: {ours.status} is kept")
        del said["status"]
    return notes


def _says_less(ours: EntryState, status: EntryStatus | None, progress: int) -> bool:
    """Whether a status is out of date compared with the entry, judging by the progress next to it."""
    if status in (None, ours.status):
        return False
    if ours.status == "completed":
        return status != "dropped" or progress > 0
    return status == "plan_to_watch"


def _keep_what_says_the_same(ours: EntryState, said: dict[str, Any], row: ListedRow) -> None:
    """Remove from ``said`` less precise forms of the entry's values: a rounded score, a year only."""
    if row.score_range and ours.score is not None and "score" in said:
        low, high = row.score_range
        if low <= ours.score <= high:
            del said["score"]
    for name in _DATES:
        if said.get(name) and (getattr(ours, name) or "").startswith(said[name]):
            del said[name]
    for name in _TEXTS:
        text = getattr(ours, name)
        if name in said and text is not None and readable(text) == said[name]:
            del said[name]


def _ends_rewatch(ours: EntryState, said: Mapping[str, Any]) -> bool:
    """Whether a row implies the end of a rewatch that it does not mention."""
    return said.get("status") not in (None, ours.status) or said.get("rewatch_count", 0) > ours.rewatch_count


def _carried(entry: Entry, said: Mapping[str, Any]) -> dict[str, Any]:
    """Carried fields per service: new values replace that service's earlier ones, missing ones are kept.

    Titles equal to the catalogue's are dropped, since our own export contains one for every entry.
    """
    stored, subject = entry.state.carried, entry.subject
    ours = title_tags(
        subject.media_type, subject.title, subject.total or entry.state.max_progress, entry.format
    )
    together = dict(stored)
    for service, texts in said.items():
        known = stored.get(service, {})
        news = {
            tag: text
            for tag, text in texts.items()
            if (text.strip("0.-") or not (known.get(tag) or tag in ours))
            and (known.get(tag) or text != ours.get(tag))
        }
        if known or news:
            together[service] = {**known, **news}
    return together


def changes_between(before: EntryState, after: EntryState) -> dict[str, list[Any]]:
    """The old and new value of each field that differs, in the format of the API."""
    changes: dict[str, list[Any]] = {}
    for name in (field.name for field in fields(EntryState)):
        old, new = getattr(before, name), getattr(after, name)
        if name == "carried":
            changes.update(_carried_changes(old, new))
        elif old != new:
            changes[name] = [_told(name, old), _told(name, new)]
    return changes


def _carried_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {
        tag if service == "mal" else f"{service}_{tag}": [before.get(service, {}).get(tag), text]
        for service, texts in after.items()
        for tag, text in texts.items()
        if text != before.get(service, {}).get(tag)
    }


def _told(name: str, value: Any) -> Any:
    if name == "score":
        return None if value is None else value / 10
    if isinstance(value, str) and len(value) > _LONGEST_TOLD:
        return f"{value[:_LONGEST_TOLD]}…"
    return list(value) if isinstance(value, tuple) else value
