"""Undo changes of entries: the last one of an entry, or all of an import."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from app.repositories.library import ChangeRepository, EntryRepository, NewChange, NewEntry
from app.schemas.domain.library import Entry, EntryChange
from app.services.library.matching import MATCH, relink_history
from app.services.library.writer import NotOnList, Target
from app.utils.db.database import Transaction

UNDO = "undo"
_PAGE = 50


async def last_change(tx: Transaction, user_id: int, target: Target) -> EntryChange:
    """The newest change that was not undone yet; raises ``NotOnList`` if there is none.

    Links to titles that were added to the catalogue later do not count as changes.
    """
    changes = ChangeRepository(tx)
    undone = 0
    for page in count():
        found, _ = await changes.list_of_entry(
            user_id,
            anime_id=target.anime_id,
            entry_id=target.entry_id,
            limit=_PAGE,
            offset=page * _PAGE,
        )
        for change in found:
            if change.origin == UNDO:
                undone += 1
            elif change.origin == MATCH:
                continue
            elif undone:
                undone -= 1
            else:
                return (await relink_history(tx, user_id, [change]))[0]
        if len(found) < _PAGE:
            break
    raise NotOnList("There is nothing to undo.")


async def undo_change(tx: Transaction, user_id: int, change: EntryChange) -> Entry | None:
    """Restore the entry to its state before ``change``; returns None if it did not exist then."""
    entries = EntryRepository(tx)
    stored = next(iter(await entries.list_for_update(user_id, entry_ids=[change.entry_id])), None)
    now = stored.state if stored is not None else None
    if change.before is None:
        await entries.delete_many([change.entry_id])
    elif stored is not None:
        await entries.update_many({stored.id: change.before})
    else:
        new = NewEntry(change.subject, change.before)
        await entries.reinsert(user_id, change.entry_id, new, created_at=change.created_at)
    record = NewChange(change.entry_id, change.subject, now, change.before)
    await ChangeRepository(tx).record_many(user_id, [record], origin=UNDO)
    return await entries.find(user_id, entry_id=change.entry_id)


async def undo_changes(tx: Transaction, user_id: int, changes: Sequence[EntryChange], *, job_id: int) -> int:
    """Undo changes, given newest first, of entries that have not changed since; others keep their edits.

    Returns how many were undone. ``job_id`` is recorded in the history.
    """
    entries = EntryRepository(tx)
    combined = _joined(await relink_history(tx, user_id, changes))
    held = await entries.list_for_update(user_id, entry_ids=[change.entry_id for change in combined])
    states = {entry.id: entry.state for entry in held}
    unchanged = [change for change in combined if states.get(change.entry_id) == change.after]
    await entries.delete_many([change.entry_id for change in unchanged if change.before is None])
    back = {change.entry_id: change.before for change in unchanged if change.before is not None}
    await entries.update_many(back)
    records = [
        NewChange(change.entry_id, change.subject, change.after, change.before) for change in unchanged
    ]
    await ChangeRepository(tx).record_many(user_id, records, origin=UNDO, job_id=job_id)
    return len(unchanged)


def _joined(changes: Sequence[EntryChange]) -> list[EntryChange]:
    """Combine consecutive changes of an entry into one."""
    joined: dict[int, EntryChange] = {}
    for change in changes:
        later = joined.setdefault(change.entry_id, change)
        if later.before == change.after:
            joined[change.entry_id] = replace(later, before=change.before)
    return list(joined.values())
