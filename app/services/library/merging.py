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
_MAX_TEXT = 500  # characters of a text in a report


def merged(entry: Entry, row: ListedRow, mode: ImportMode) -> tuple[EntryState, str | None]:
    """The state after the row, and the parts of the row that were rejected, with reasons.

    Missing values, zero and false are ignored, and so are counts not above ours. But mode ``replace`` takes
    counts as stated, progress even if zero; and a row of a rewatch may lower progress and volumes, though not
    to zero.
    """
    ours = entry.state
    stated = {name: value for name, value in row.fields.items() if value is not None}
    may_decrease = (
        _COUNTS if mode == "replace" else ("progress", "volumes") if stated.get("is_rewatching") else ()
    )
    notes = _drop_lower_counts(ours, stated, may_decrease, to_zero=mode == "replace")
    stated = {name: value for name, value in stated.items() if name in _COUNTS or value not in ((), False)}
    _drop_less_precise(ours, stated, row)
    if "carried" in stated:
        stated["carried"] = _carried(entry, stated["carried"])
    if ours.is_rewatching and "is_rewatching" not in stated:
        stated["is_rewatching"] = not _ends_rewatch(ours, stated)
    return replace(ours, **stated), "; ".join(notes) or None


def _drop_lower_counts(
    ours: EntryState, stated: dict[str, Any], may_decrease: tuple[str, ...], *, to_zero: bool
) -> list[str]:
    """Remove from ``stated`` counts below the entry's; returns the notes for the report.

    The counts in ``may_decrease`` may decrease, progress to zero only with ``to_zero``.
    """
    notes = []
    progress = stated.get("progress") or 0
    for name in _COUNTS:
        theirs, known = stated.get(name), getattr(ours, name) or 0
        decreases = name in may_decrease and (theirs or (to_zero and name == "progress"))
        if theirs is None or theirs >= known or decreases:
            continue
        del stated[name]
        if theirs:
            notes.append(f"{name.replace('_', ' ')} {theirs} is less than ours: {known} is kept")
    status = stated.get("status")
    if "progress" not in may_decrease and progress < ours.progress and _is_outdated(ours, status, progress):
        notes.append(f"status {status} is of less progress than ours: {ours.status} is kept")
        del stated["status"]
    return notes


def _is_outdated(ours: EntryState, status: EntryStatus | None, progress: int) -> bool:
    """Whether a status is out of date compared with the entry, judging by the progress next to it."""
    if status in (None, ours.status):
        return False
    if ours.status == "completed":
        return status != "dropped" or progress > 0
    return status == "plan_to_watch"


def _drop_less_precise(ours: EntryState, stated: dict[str, Any], row: ListedRow) -> None:
    """Remove from ``stated`` less precise forms of the entry's values: a rounded score, a year only."""
    if row.score_range and ours.score is not None and "score" in stated:
        low, high = row.score_range
        if low <= ours.score <= high:
            del stated["score"]
    for name in _DATES:
        if stated.get(name) and (getattr(ours, name) or "").startswith(stated[name]):
            del stated[name]
    for name in _TEXTS:
        text = getattr(ours, name)
        if name in stated and text is not None and readable(text) == stated[name]:
            del stated[name]


def _ends_rewatch(ours: EntryState, stated: Mapping[str, Any]) -> bool:
    """Whether a row implies the end of a rewatch that it does not mention."""
    return (
        stated.get("status") not in (None, ours.status) or stated.get("rewatch_count", 0) > ours.rewatch_count
    )


def _carried(entry: Entry, stated: Mapping[str, Any]) -> dict[str, Any]:
    """Carried fields per service: new values replace that service's earlier ones, missing ones are kept.

    Titles equal to the catalogue's are dropped, since our own export contains one for every entry.
    """
    stored, subject = entry.state.carried, entry.subject
    ours = title_tags(
        subject.media_type, subject.title, subject.total or entry.state.max_progress, entry.format
    )
    together = dict(stored)
    for service, texts in stated.items():
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
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        return f"{value[:_MAX_TEXT]}…"
    return list(value) if isinstance(value, tuple) else value
