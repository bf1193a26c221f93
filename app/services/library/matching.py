"""Link unmatched entries to catalogue titles, and interpret their history before the link."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from app.repositories.library import (
    ChangeRepository,
    EntryRepository,
    Match,
    MatchRepository,
    NewChange,
    lock_lists,
)
from app.schemas.domain.library import Entry, EntryChange, EntryState, Subject
from app.utils.db.database import Transaction

MATCH = "match"


async def match_some(tx: Transaction, *, limit: int) -> int:
    """Link up to ``limit`` entries to the titles with their ids; returns how many."""
    found = await MatchRepository(tx).list_found(limit=limit)
    await lock_lists(tx, (match.user_id for match in found))
    return await _link(tx, found)


async def match_titles(tx: Transaction, user_id: int, anime_ids: Sequence[int]) -> int:
    """Link the user's unmatched entries of these titles; the list must be locked.

    Returns how many there were.
    """
    return await _link(tx, await MatchRepository(tx).list_of_titles(user_id, anime_ids))


async def link_entries(tx: Transaction, user_id: int, titles: Mapping[int, int]) -> None:
    """Link entries to titles, by entry id; the list must be locked."""
    await _link(tx, [Match(entry_id, user_id, anime_id) for entry_id, anime_id in titles.items()])


async def _link(tx: Transaction, found: Sequence[Match]) -> int:
    if not found:
        return 0
    matches = MatchRepository(tx)
    locked = await matches.list_for_update(found)
    entries, titles = EntryRepository(tx), {match.entry_id: match.anime_id for match in found}
    subjects = {subject.anime_id: subject for subject in await entries.subjects(anime_ids=titles.values())}
    await matches.link({entry.id: titles[entry.id] for entry in locked})
    changes = {entry.id: _matched(entry, subjects[titles[entry.id]]) for entry in locked}
    await entries.update_many({id_: change.after for id_, change in changes.items() if change.after})
    for user_id, owned in groupby(sorted(locked, key=_owner), key=_owner):
        owned_changes = [changes[entry.id] for entry in owned]
        await ChangeRepository(tx).record_many(user_id, owned_changes, origin=MATCH)
    return len(locked)


def _owner(entry: Entry) -> int:
    return entry.user_id


def _matched(entry: Entry, subject: Subject) -> NewChange:
    return NewChange(entry.id, subject, entry.state, linked_state(entry.state, subject))


def linked_state(state: EntryState, subject: Subject) -> EntryState:
    """The state of a formerly unmatched entry after it was linked to the title."""
    return _linked(state, keep_total=subject.total is None)


def _linked(state: EntryState, *, keep_total: bool) -> EntryState:
    """Clear the entry's own copies of fields that the catalogue provides."""
    total = state.max_progress if keep_total else None
    return replace(state, title=None, cover_url=None, max_progress=total)


async def relink_history(tx: Transaction, user_id: int, changes: Sequence[EntryChange]) -> list[EntryChange]:
    """Rewrite changes made before an entry was linked, as if it had been linked then."""
    entry_ids = sorted({change.entry_id for change in changes})
    matched = await ChangeRepository(tx).list_of_origin(user_id, entry_ids, origin=MATCH)
    matches = {change.entry_id: change for change in matched}
    return [_relinked(change, matches.get(change.entry_id)) for change in changes]


def _relinked(change: EntryChange, match: EntryChange | None) -> EntryChange:
    if match is None or match.id < change.id or match.after is None:
        return change
    keep_total = match.after.max_progress is not None
    return replace(
        change,
        subject=match.subject,
        before=change.before and _linked(change.before, keep_total=keep_total),
        after=change.after and _linked(change.after, keep_total=keep_total),
    )
