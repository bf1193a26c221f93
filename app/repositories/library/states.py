"""The editable part of an entry as columns and as JSON."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from operator import attrgetter
from typing import Any

from app.schemas.domain.library import EntryState

STATE_COLUMNS = {
    "status": "text",
    "score": "smallint",
    "progress": "int",
    "volumes": "int",
    "max_progress": "int",
    "is_rewatching": "boolean",
    "rewatch_count": "int",
    "started_at": "text",
    "finished_at": "text",
    "notes": "text",
    "tags": "text[]",
    "is_private": "boolean",
    "title": "text",
    "source": "text",
    "cover_url": "text",
    "format": "text",
    "site_url": "text",
    "carried": "jsonb",
}
if tuple(STATE_COLUMNS) != tuple(field.name for field in fields(EntryState)):
    raise AssertionError("every field of EntryState has one column, in the same order")


_values = attrgetter(*STATE_COLUMNS)
_DEFAULTS = {
    field.name: field.default if field.default is not MISSING else {}
    for field in fields(EntryState)
    if field.name not in ("status", "progress")  # the history is searched for these
}


def state_values(state: EntryState) -> dict[str, Any]:
    """The state as JSON values by column."""
    return dict(zip(STATE_COLUMNS, _values(state), strict=True))


def compact(state: EntryState) -> dict[str, Any]:
    """What of :func:`state_values` is not as in every entry; :func:`state_of` fills in the rest."""
    return {
        name: value
        for name, value in zip(STATE_COLUMNS, _values(state), strict=True)
        if name not in _DEFAULTS or value != _DEFAULTS[name]
    }


def state_of(values: Mapping[str, Any]) -> EntryState:
    """The state from a row, or from what :func:`state_values` or :func:`compact` gave."""
    known = {name: values[name] for name in STATE_COLUMNS if name in values}
    if "tags" in known:
        known["tags"] = tuple(known["tags"])
    return EntryState(**known)
