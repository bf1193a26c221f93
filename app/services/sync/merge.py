"""A three-way merge of one list entry, field by field, against what was last seen: pure, of no service."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.schemas.domain.sync import SYNC_FIELDS, FieldConflict, Hold, Side, Snapshot, SyncState

_COUNTS = ("progress", "volumes", "rewatch_count")
_RESTARTED = ("progress", "volumes")  # what begins anew when a title is seen once more


@dataclass(frozen=True, slots=True)
class Merged:
    """``local`` is what ours becomes, ``wanted`` what the service is still to be told, by field."""

    local: SyncState
    snapshot: Snapshot
    wanted: Mapping[str, Any]
    conflicts: tuple[FieldConflict, ...]


def merge(
    base: Snapshot | None, local: SyncState, remote: SyncState, *, local_is_later: bool, hold: Hold
) -> Merged:
    """Bring both sides together; ``base`` is None where they meet for the first time.

    A field that one side changed is taken from there; of one that both changed the later edit stands, and
    the conflict is told. What the service can hold only roughly counts as the same. Counts never fall by
    themselves: a lower one of the service is taken only where it says that the title is seen once more.
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
        moved = _moved(base, name, ours, theirs)
        restarts = name in _RESTARTED and taken.get("status") == "rewatching"
        winner = _winner(moved, local_is_later)
        if name in _COUNTS and winner is not None and not restarts:
            winner = _winner_of_counts(base, name, ours or 0, theirs or 0, moved, local_is_later)
        if winner is None:  # the service cannot hold ours, and was told so before
            sent[name] = ours
        elif winner == "remote":
            taken[name] = sent[name] = theirs
        else:
            wanted[name] = ours
            sent[name] = theirs  # which is not ours, so it stays to be told
        if winner is not None and (moved == (True, True) or (winner == "local" and moved[1])):
            conflicts.append(FieldConflict(name, getattr(local, name), theirs, winner))
    return Merged(replace(local, **taken), Snapshot(remote, SyncState(**sent)), wanted, tuple(conflicts))


def settle(snapshot: Snapshot, told: Mapping[str, Any], answer: SyncState) -> Snapshot:
    """The snapshot after the service was told fields and answered with the entry; to be merged once more.

    A field that it holds otherwise than it was told is one that it cannot hold, which is no edit of its own;
    but what it adds where nothing was told is.
    """
    kept = {name: getattr(answer, name) for name, value in told.items() if value}
    empty = {name: value for name, value in told.items() if not value}
    return Snapshot(replace(snapshot.remote, **kept, **empty), replace(snapshot.sent, **told))


def _moved(base: Snapshot | None, name: str, ours: Any, theirs: Any) -> tuple[bool, bool]:
    """Whether our side and theirs changed the field since; at a first meeting, whether they say anything."""
    if base is None:
        return bool(ours), bool(theirs)
    return ours != getattr(base.sent, name), theirs != getattr(base.remote, name)


def _winner(moved: tuple[bool, bool], local_is_later: bool) -> Side | None:
    if moved == (True, True):
        return "local" if local_is_later else "remote"
    return {(True, False): "local", (False, True): "remote"}.get(moved)  # type: ignore[return-value]


def _winner_of_counts(
    base: Snapshot | None,
    name: str,
    ours: int,
    theirs: int,
    moved: tuple[bool, bool],
    local_is_later: bool,
) -> Side:
    """The higher count, unless our side lowered it on purpose and nobody has said otherwise since."""
    lowered = base is not None and ours < (getattr(base.sent, name) or 0)
    if lowered and moved[0] and (local_is_later or not moved[1]):
        return "local"
    return "local" if ours > theirs else "remote"
