"""Edits of a single entry, the most frequent write: one statement to read, one to store."""

from dataclasses import dataclass

import orjson

from app.repositories.library.changes import NewChange, sides
from app.repositories.library.entries import ENTRY, NEXT_STATE, SUBJECT, entry_from
from app.repositories.library.locks import LIST_LOCK
from app.repositories.library.rendering import FROM_ENTRIES, SHAPES
from app.repositories.library.states import STATE_COLUMNS, state_tuple
from app.schemas.domain.library import Entry, RenderedEntry, Shape
from app.utils.db.database import Driver

_FIND = f"""
    select {ENTRY}, {SUBJECT}, u.timezone
    {FROM_ENTRIES} join users u on u.id = e.user_id
    where e.user_id = $1 and
"""
_FIND_BY = {"anime_id": f"{_FIND} e.anime_id = $2", "entry_id": f"{_FIND} e.id = $2"}
_SHOW = {
    shape: f"select {sql}::text {FROM_ENTRIES} where e.user_id = $1 and e.id = $2 and e.version = $3"
    for shape, sql in SHAPES.items()
}
_GIVEN = ", ".join(
    f"${number}::text::jsonb as {name}" if kind == "jsonb" else f"${number}::{kind} as {name}"
    for number, (name, kind) in enumerate(STATE_COLUMNS.items(), 8)
)
# ``lock_lists``'s lock, held until the statement has committed. It is tried, never waited for: after a wait,
# the statement would still run on the snapshot from before it.
_STORE = {
    shape: f"""
    with lock as materialized (
        select pg_try_advisory_xact_lock({LIST_LOCK}, $1) as taken
    ), e as (
        update entries e set {NEXT_STATE}
        from lock, (select null::timestamptz as moved_at, {_GIVEN}) r
        where lock.taken and e.id = $2 and e.user_id = $1 and e.version = $3
          and not exists (select from service_links l where l.user_id = $1 and l.service <> $4)
        returning e.*
    ), recorded as (
        insert into entry_changes (user_id, entry_id, anime_id, origin, before, after, changed_at)
        select $1, e.id, $5, $4, $6::text::jsonb, $7::text::jsonb, clock_timestamp() from e
    )
    select e.version, {sql}::text as body {FROM_ENTRIES.replace("entries e", "e")}
    """
    for shape, sql in SHAPES.items()
}


@dataclass(frozen=True, slots=True)
class HeldEntry:
    """An entry, and the time zone of its user."""

    entry: Entry
    timezone: str


class EditRepository:
    """Uses an autocommit connection: what :meth:`store` writes is committed when it returns."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find(self, user_id: int, *, anime_id: int | None, entry_id: int | None) -> HeldEntry | None:
        """The user's entry with this id, or otherwise of this title."""
        by = "anime_id" if entry_id is None else "entry_id"
        row = await self._driver.fetchrow(_FIND_BY[by], user_id, anime_id if entry_id is None else entry_id)
        return None if row is None else HeldEntry(entry_from(dict(row)), row["timezone"])

    async def show(self, entry: Entry, shape: Shape) -> RenderedEntry | None:
        """The entry as JSON; None if it has changed since it was read."""
        body = await self._driver.fetchval(_SHOW[shape], entry.user_id, entry.id, entry.version)
        return None if body is None else _rendered(entry, entry.version, body)

    async def store(
        self, entry: Entry, change: NewChange, *, origin: str, shape: Shape
    ) -> RenderedEntry | None:
        """Update the entry to the state after ``change``, and add the change to the history.

        None if nothing was stored: the entry has changed since it was read, another writer holds the lock of
        the list, or another service has to be notified of the edit.
        """
        if change.after is None:
            raise AssertionError("an edit leaves an entry")
        before, after = sides(change)
        *columns, carried = state_tuple(change.after)
        row = await self._driver.fetchrow(
            _STORE[shape],
            entry.user_id,
            entry.id,
            entry.version,
            origin,
            entry.subject.anime_id,
            orjson.dumps(before).decode(),
            orjson.dumps(after).decode(),
            *columns,
            orjson.dumps(carried).decode(),
        )
        return None if row is None else _rendered(entry, row["version"], row["body"])


def _rendered(entry: Entry, version: int, body: str) -> RenderedEntry:
    return RenderedEntry(entry.id, version, entry.subject.anime_id, body.encode())
