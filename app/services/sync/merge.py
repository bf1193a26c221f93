"""Three-way merge of a list entry, field by field, against the last seen state; pure, for any service."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.schemas.domain.sync import SYNC_FIELDS, FieldConflict, Hold, Side, Snapshot, SyncState

_COUNTS = ("progress", "volumes", "rewatch_count")
_RESTARTED = ("progress", "volumes")  # reset when a rewatch starts


@dataclass(frozen=True, slots=True)
class Merged:
    """``local`` is the merged entry on our side, ``wanted`` the fields to push to the service."""

    local: SyncState
    snapshot: Snapshot
    wanted: Mapping[str, Any]
    conflicts: tuple[FieldConflict, ...]


def merge(
    base: Snapshot | None, local: SyncState, remote: SyncState, *, local_is_later: bool, hold: Hold
) -> Merged:
    """Merge both sides; ``base`` is the state after the last sync, or None if they were never synced.

    A field changed on one side is taken from there; if both changed it, the later edit wins and a conflict is
    recorded. Values that the service can only store approximately count as equal. Counts do not decrease: a
    lower one of the service is taken only if it reports a rewatch.
    """
    held = hold(local)
    taken: dict[str, Any] = {}
    sent: dict[str, Any] = {}
    wanted: dict[str, Any] = {}
    conflicts = []
    for name in SYNC_FIELDS:
        ours, theirs = getattr(held, name), getattr(remote, name)
        if ours == theirs:
            sent[name] = ours
            continue
        changed = _changed_sides(base, name, ours, theirs)
        restarts = name in _RESTARTED and taken.get("status") == "rewatching"
        winner = _winner(changed, local_is_later)
        if name in _COUNTS and winner is not None and not restarts:
            winner = _winner_of_counts(base, name, ours or 0, theirs or 0, changed, local_is_later)
        if winner is None:  # the service cannot store our value, and was sent it before
            sent[name] = ours
        elif winner == "remote":
            taken[name] = sent[name] = theirs
        else:
            wanted[name] = ours
            sent[name] = theirs  # not our value, so that the field stays pending
        if winner is not None and (changed == (True, True) or (winner == "local" and changed[1])):
            conflicts.append(FieldConflict(name, getattr(local, name), theirs, winner))
    return Merged(replace(local, **taken), Snapshot(remote, SyncState(**sent)), wanted, tuple(conflicts))


def settle(snapshot: Snapshot, pushed: Mapping[str, Any], answer: SyncState) -> Snapshot:
    """The snapshot after a push that the service answered with the stored entry; the base of a second merge.

    A pushed field that comes back different is one that the service cannot store, not an edit there; but a
    value where we pushed an empty one is an edit.
    """
    kept = {name: getattr(answer, name) for name, value in pushed.items() if value}
    empty = {name: value for name, value in pushed.items() if not value}
    return Snapshot(replace(snapshot.remote, **kept, **empty), replace(snapshot.sent, **pushed))


def _changed_sides(base: Snapshot | None, name: str, ours: Any, theirs: Any) -> tuple[bool, bool]:
    """Whether our side and theirs changed the field; without a base, whether each side has a value."""
    if base is None:
        return bool(ours), bool(theirs)
    return ours != getattr(base.sent, name), theirs != getattr(base.remote, name)


def _winner(changed: tuple[bool, bool], local_is_later: bool) -> Side | None:
    if changed == (True, True):
        return "local" if local_is_later else "remote"
    return {(True, False): "local", (False, True): "remote"}.get(changed)  # type: ignore[return-value]


def _winner_of_counts(
    base: Snapshot | None,
    name: str,
    ours: int,
    theirs: int,
    changed: tuple[bool, bool],
    local_is_later: bool,
) -> Side:
    """The higher count, unless our side lowered it on purpose and theirs has no later edit."""
    lowered = base is not None and ours < (getattr(base.sent, name) or 0)
    if lowered and changed[0] and (local_is_later or not changed[1]):
        return "local"
    return "local" if ours > theirs else "remote"
