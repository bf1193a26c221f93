"""The editable part of an entry as columns and as JSON."""

from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any

from app.schemas.domain.library import EntryState, Subject

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

# SQL of the values of NOT NULL columns that :func:`snapshot` omits
OMITTED_DEFAULTS = {
    "is_rewatching": "false",
    "rewatch_count": "0",
    "tags": "'{}'",
    "is_private": "false",
    "carried": "'{}'",
}

state_tuple = attrgetter(*STATE_COLUMNS)
"""The state as values in the order of ``STATE_COLUMNS``."""
# snapshots omit defaults; except for progress, which the history is searched for
_DEFAULTS: tuple[object, ...] = tuple(
    field.default if field.name not in ("progress", "carried") else {} for field in fields(EntryState)
)


def state_values(state: EntryState) -> dict[str, Any]:
    """The state as JSON values by column."""
    return dict(zip(STATE_COLUMNS, state_tuple(state), strict=True))


def snapshot(subject: Subject, state: EntryState) -> dict[str, Any]:
    """The JSON of an entry for the history: its ids, and the fields that differ from the defaults."""
    stated = {
        name: value
        for name, value, default in zip(STATE_COLUMNS, state_tuple(state), _DEFAULTS, strict=True)
        if value != default
    }
    stated["media_type"] = subject.media_type
    stated["anime_id"] = subject.anime_id
    stated["mal_id"] = subject.mal_id
    stated["anilist_id"] = subject.anilist_id
    return stated


def difference(before: EntryState, after: EntryState) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that differ: their values before, and after."""
    changed = [
        (name, old, new)
        for name, old, new in zip(STATE_COLUMNS, state_tuple(before), state_tuple(after), strict=True)
        if old != new
    ]
    return {name: old for name, old, _ in changed}, {name: new for name, _, new in changed}


def state_of(values: Mapping[str, Any]) -> EntryState:
    """The state from a row, or from the output of :func:`state_values` or :func:`snapshot`."""
    known = {name: values[name] for name in STATE_COLUMNS if name in values}
    if "tags" in known:
        known["tags"] = tuple(known["tags"])
    return EntryState(**known)
