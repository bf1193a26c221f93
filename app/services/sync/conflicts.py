"""Conflicts of the two-way sync: list them, and choose the other value."""

from dataclasses import replace
from typing import Any

from app.errors import NotFound
from app.repositories.library import ChangeRepository, EntryRepository, NewChange, lock_lists
from app.repositories.sync import ConflictRepository, SnapshotRepository
from app.schemas.domain.sync import SYNC_FIELDS, Side, SyncConflict, SyncState
from app.utils.db.database import Database

_ORIGIN = "conflict"


class NoSuchConflict(NotFound):
    default_message = "There is no such conflict, or it is resolved."


class ConflictService:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(
        self, user_id: int, service: str, *, limit: int, offset: int
    ) -> tuple[list[SyncConflict], int]:
        """One page of the open conflicts, newest first, and their total number."""
        async with self._db.transaction() as tx:
            return await ConflictRepository(tx).list_open(user_id, service, limit=limit, offset=offset)

    async def resolve(self, user_id: int, service: str, conflict_id: int, *, use: Side) -> SyncConflict:
        """Resolve a conflict with the value of one side; if the other side's was kept, this edits the entry.

        Raises :class:`NoSuchConflict`. If the entry was deleted, nothing is edited.
        """
        async with self._db.transaction() as tx:
            await lock_lists(tx, [user_id])
            conflicts = ConflictRepository(tx)
            found = await conflicts.find_for_update(conflict_id, user_id=user_id, service=service)
            if found is None:
                raise NoSuchConflict
            entry = await SnapshotRepository(tx).find_entry(user_id, found.entry_id)
            value = found.local_value if use == "local" else found.remote_value
            if entry is not None and use != found.kept:
                state = _with(SyncState.of(entry.state), found.field, value).onto(entry.state)
                await EntryRepository(tx).update_many({entry.id: state})
                change = NewChange(entry.id, entry.subject, entry.state, state)
                await ChangeRepository(tx).record_many(user_id, [change], origin=_ORIGIN)
            await conflicts.mark_resolved(conflict_id)
            return found


def _with(state: SyncState, name: str, value: Any) -> SyncState:
    if name not in SYNC_FIELDS:
        raise NoSuchConflict
    return replace(state, **{name: value})
