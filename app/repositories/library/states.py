"""The editable part of an entry as columns and as JSON."""

from collections.abc import Mapping
from dataclasses import fields
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


def state_values(state: EntryState) -> dict[str, Any]:
    """The state as JSON values by column."""
    values = {name: getattr(state, name) for name in STATE_COLUMNS}
    return {**values, "tags": list(state.tags), "carried": dict(state.carried)}


def state_of(values: Mapping[str, Any]) -> EntryState:
    """The state from a row, or from what :func:`state_values` gave."""
    known = {name: values[name] for name in STATE_COLUMNS}
    return EntryState(**{**known, "tags": tuple(values["tags"])})
