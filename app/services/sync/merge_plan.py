"""Merge stored entries with those of a service, and store the result."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.repositories.library import ChangeRepository, EntryRepository, NewChange, NewEntry
from app.repositories.sync import (
    ConflictRepository,
    LinkRepository,
    NewSnapshot,
    SnapshotRepository,
    StoredSnapshot,
)
from app.schemas.domain.library import Entry, EntryState, MediaType, Subject
from app.schemas.domain.sync import NOTHING, FieldConflict, Hold, RemoteEntry, Snapshot, SyncState
from app.services.sync.merge import Merged, merge
from app.utils.db.database import Transaction


@dataclass(frozen=True, slots=True)
class _Update:
    entry: Entry
    state: EntryState
    remote_id: int
    merged: Merged


@dataclass(slots=True)
class MergePlan:
    """The changes that a merge makes to entries and snapshots, before they are stored."""

    added: list[tuple[NewEntry, RemoteEntry]] = field(default_factory=list)
    updates: list[_Update] = field(default_factory=list)

    def add(self, remote: RemoteEntry, subject: Subject, service: str) -> None:
        """Add an entry that only the service has."""
        self.added.append((NewEntry(subject, _new_state(remote, subject, service)), remote))

    def merge_entry(self, entry: Entry, base: Snapshot | None, remote: RemoteEntry, hold: Hold) -> Merged:
        """Merge an entry that both sides have; ``base`` is the state after the last sync, if any."""
        local_is_later = entry.updated_at >= remote.updated_at
        local = SyncState.of(entry.state)
        remote_state = remote.filled(NOTHING if base is None else base.remote)
        merged = merge(base, local, remote_state, local_is_later=local_is_later, hold=hold)
        state = entry.state if merged.local == local else merged.local.onto(entry.state)
        self.updates.append(_Update(entry, state, remote.remote_id, merged))
        return merged

    async def store(
        self, tx: Transaction, user_id: int, service: str, hold: Hold, *, job_id: int | None
    ) -> int:
        """Store all changes with their history; returns how many of our entries changed.

        The list must be locked.
        """
        added = await EntryRepository(tx).insert_many(user_id, [new for new, _ in self.added])
        changed = [one for one in self.updates if one.state != one.entry.state]
        stamps = await EntryRepository(tx).update_many({one.entry.id: one.state for one in changed})
        changes = [NewChange(one.id, one.subject, None, one.state) for one in added.values()]
        changes += [NewChange(one.entry.id, one.entry.subject, one.entry.state, one.state) for one in changed]
        await ChangeRepository(tx).record_many(user_id, changes, origin=service, job_id=job_id)
        snapshots = [
            _first_snapshot(added[position], remote, hold)
            for position, (_, remote) in enumerate(self.added)
            if position in added
        ]
        snapshots += [_snapshot(one, stamps.get(one.entry.id, {})) for one in self.updates]
        await SnapshotRepository(tx).put_many(user_id, service, snapshots)
        await ConflictRepository(tx).insert_many(user_id, service, self._conflicts())
        if any(one.merged.wanted for one in self.updates):
            await LinkRepository(tx).mark_pending(user_id)
        return len(changes)

    def _conflicts(self) -> list[tuple[int, FieldConflict]]:
        return [(one.entry.id, conflict) for one in self.updates for conflict in one.merged.conflicts]


class StoredEntries:
    """The stored titles, entries and snapshots that some entries of a service refer to."""

    def __init__(
        self, subjects: Sequence[Subject], entries: Sequence[Entry], snapshots: Sequence[StoredSnapshot]
    ) -> None:
        self._subjects = {key: one for one in subjects for key in _keys(one)}
        self._entries = {entry.id: entry for entry in entries}
        self._by_title = {key: entry for entry in entries for key in _keys(entry.subject)}
        self._snapshots = {one.remote_id: one for one in snapshots}

    def subject_of(self, remote: RemoteEntry) -> Subject:
        """The catalogue's title if there is one, otherwise the service's."""
        found = (self._subjects.get(key) for key in _keys(remote.subject))
        return next((subject for subject in found if subject is not None), remote.subject)

    def snapshot_of(self, remote_id: int) -> StoredSnapshot | None:
        return self._snapshots.get(remote_id)

    def entry_of(self, remote: RemoteEntry) -> Entry | None:
        snapshot = self._snapshots.get(remote.remote_id)
        if snapshot is not None and snapshot.entry_id in self._entries:
            return self._entries[snapshot.entry_id]
        keys = (*_keys(self.subject_of(remote)), *_keys(remote.subject))
        return next((self._by_title[key] for key in keys if key in self._by_title), None)


async def load_stored(
    tx: Transaction, user_id: int, service: str, media_type: MediaType, remotes: Sequence[RemoteEntry]
) -> StoredEntries:
    """Load what is needed to merge these entries, in a few statements; the list must be locked."""
    entries, remote_subjects = EntryRepository(tx), [remote.subject for remote in remotes]
    subjects: list[Subject] = []
    if media_type == "anime":
        subjects = await entries.subjects(
            mal_ids={one.mal_id for one in remote_subjects if one.mal_id is not None},
            anilist_ids={one.anilist_id for one in remote_subjects if one.anilist_id is not None},
        )
    snapshots = await SnapshotRepository(tx).list_of(
        user_id, service, media_type, remote_ids=[remote.remote_id for remote in remotes]
    )
    found = await entries.list_like(user_id, [*subjects, *remote_subjects])
    found_ids = {entry.id for entry in found}
    others = [one.entry_id for one in snapshots if one.entry_id not in found_ids]
    found += await entries.list_for_update(user_id, entry_ids=others) if others else []
    return StoredEntries(
        subjects, [entry for entry in found if entry.subject.media_type == media_type], snapshots
    )


def _keys(subject: Subject) -> list[tuple[str, int]]:
    numbers = (
        ("anime", subject.anime_id), ("anilist", subject.anilist_id), ("mal", subject.mal_id)
    )  # fmt: skip
    return [(name, number) for name, number in numbers if number is not None]


def _new_state(remote: RemoteEntry, subject: Subject, service: str) -> EntryState:
    state = remote.state.onto(EntryState(status="plan_to_watch"))
    if subject.anime_id is not None:
        return state
    # the catalogue does not have the title, so the entry keeps the service's data about it
    theirs = remote.subject
    number = theirs.anilist_id if theirs.anilist_id is not None else theirs.mal_id
    return replace(
        state,
        title=theirs.title or f"{service} {theirs.media_type} {number}",
        source=service,
        cover_url=theirs.image_url,
        max_progress=theirs.total,
        format=theirs.format,
        site_url=theirs.site_url,
    )


def _first_snapshot(entry: Entry, remote: RemoteEntry, hold: Hold) -> NewSnapshot:
    snapshot = Snapshot(remote.state, hold(SyncState.of(entry.state)))
    return NewSnapshot(entry.subject.media_type, remote.remote_id, entry.id, entry.version, snapshot)


def _snapshot(update: _Update, stamp: dict[str, Any]) -> NewSnapshot:
    """Version 0 keeps the entry pending while fields are still to be pushed: it is below any real version."""
    version = 0 if update.merged.wanted else int(stamp.get("version", update.entry.version))
    media_type = update.entry.subject.media_type
    return NewSnapshot(media_type, update.remote_id, update.entry.id, version, update.merged.snapshot)
