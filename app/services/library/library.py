"""A user's list: pages, single entries, edits, batches, history and undo."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.errors import ServiceUnavailable
from app.repositories.accounts import AccountRepository
from app.repositories.library import (
    ChangeRepository,
    EditRepository,
    EntryPage,
    EntryPages,
    EntryRepository,
    EntryShape,
    ItemFilter,
    ListFilter,
    MarkRepository,
    lock_lists,
)
from app.schemas.domain.library import (
    Entry,
    EntryChange,
    EntryCount,
    HistoryLine,
    ListChanges,
    RenderedEntry,
    Shape,
)
from app.schemas.events import EntryChanged
from app.services.library.matching import match_some, match_titles
from app.services.library.stats import NoPublicList
from app.services.library.undo import last_change, undo_change
from app.services.library.writer import (
    NotOnList,
    Operation,
    Outcome,
    StaleVersion,
    Target,
    Versions,
    apply,
    change_of,
)
from app.utils.clock import Clock, day_in, utc_now
from app.utils.db.database import Database, Transaction
from app.utils.slots import NoSlot, Slots

KEPT_CHANGES = 500  # newest changes of an entry, kept at any age
CHANGES_KEPT_FOR = timedelta(days=366)  # younger changes are kept in any number
_MATCHED_AT_ONCE = 2000  # entries per transaction
_USERS_AT_ONCE = 200
_WHOLE = EntryShape()
_WRITERS_WAITING = 256  # per user and process
_WRITER_WAIT = 5.0  # seconds


class LibraryService:
    """``origin`` is recorded in the history as the source of a change: ``api``, ``tracker``, ``watch``…"""

    def __init__(self, db: Database, clock: Clock = utc_now) -> None:
        self._db = db
        self._clock = clock
        # Writers of a list queue up here, before each takes a connection that it would block while waiting.
        self._writers = Slots(running=1, waiting=_WRITERS_WAITING, timeout=_WRITER_WAIT)

    async def list_anime(
        self, user_id: int, wanted: ListFilter, shape: EntryShape = _WHOLE, *, limit: int, offset: int
    ) -> EntryPage:
        async with self._db.driver(fresh_plans=None) as driver:
            return await EntryPages(driver).list_anime(user_id, wanted, shape, limit=limit, offset=offset)

    async def list_public(
        self, user_id: int, wanted: ListFilter, shape: EntryShape, *, limit: int, offset: int
    ) -> EntryPage:
        """A page of another user's public list, without private entries; raises ``NoPublicList``."""
        async with self._db.reader() as connection:
            if not await AccountRepository(connection).has_public_list(user_id):
                raise NoPublicList
        shown = replace(wanted, public=True)
        async with self._db.driver(fresh_plans=None) as driver:
            return await EntryPages(driver).list_anime(user_id, shown, shape, limit=limit, offset=offset)

    async def list_changes(
        self, user_id: int, shape: EntryShape, *, since: datetime | None, after: int, limit: int
    ) -> ListChanges:
        """Changes since a time; continue with the timestamp and id of ``last``.

        Without ``since`` the whole list. Nothing is missed, since a list's timestamps grow in commit order.
        """
        async with self._db.driver(fresh_plans=None) as driver:
            return await MarkRepository(driver).changes(user_id, shape, since=since, after=after, limit=limit)

    async def marks(self, user_id: int, anime_ids: Sequence[int]) -> bytes:
        """The user's marks for the titles of a grid, as a JSON object by title id."""
        async with self._db.driver(fresh_plans=None) as driver:
            return await MarkRepository(driver).marks(user_id, anime_ids)

    async def list_items(self, user_id: int, wanted: ItemFilter, *, limit: int, offset: int) -> EntryPage:
        """All entries in the tracker's format, including manga and custom titles."""
        async with self._db.driver(fresh_plans=None) as driver:
            return await EntryPages(driver).list_items(user_id, wanted, limit=limit, offset=offset)

    async def count(self, user_id: int) -> list[EntryCount]:
        async with self._db.driver(fresh_plans=None) as driver:
            return await EntryPages(driver).count(user_id)

    async def show(self, user_id: int, target: Target, shape: Shape) -> RenderedEntry:
        """One entry in the format of the pages; raises ``NotOnList``."""
        async with self._db.driver(fresh_plans=None) as driver:
            found = await EntryPages(driver).find(
                user_id, shape, anime_id=target.anime_id, entry_id=target.entry_id
            )
            if found is None and target.anime_id is not None and await self._match(user_id, target.anime_id):
                found = await EntryPages(driver).find(user_id, shape, anime_id=target.anime_id)
        if found is None:
            raise NotOnList
        return found

    async def _match(self, user_id: int, anime_id: int) -> bool:
        """Link an unmatched entry to this title, if there is one; returns whether there was."""
        async with self._db.transaction() as tx:
            await lock_lists(tx, [user_id])
            return await match_titles(tx, user_id, [anime_id]) > 0

    async def get(self, user_id: int, target: Target) -> Entry:
        """The entry; raises ``NotOnList``."""
        async with self._db.transaction() as tx:
            found = await EntryRepository(tx).find(
                user_id, anime_id=target.anime_id, entry_id=target.entry_id
            )
            if found is None:
                raise NotOnList
            return found

    async def add(
        self, user_id: int, target: Target, sent: Mapping[str, Any], *, origin: str, shape: Shape = "core"
    ) -> RenderedEntry:
        """Add an entry; raises ``AlreadyOnList``, ``UnknownTitle``, or a violation of the rules."""
        return await self.edit(user_id, Operation("add", target, sent), origin=origin, shape=shape)

    async def edit(
        self, user_id: int, operation: Operation, *, origin: str, shape: Shape = "core"
    ) -> RenderedEntry:
        """Change only the fields sent; raises ``NotOnList``, ``StaleVersion``."""
        rendered, _ = await self._execute(user_id, operation, origin=origin, shape=shape)
        if rendered is None:
            raise AssertionError(f"{operation.verb} leaves an entry")
        return rendered

    async def put(
        self,
        user_id: int,
        target: Target,
        sent: Mapping[str, Any],
        *,
        origin: str,
        versions: Versions | None = None,
    ) -> tuple[RenderedEntry, bool]:
        """Add the title, or change the fields sent; returns the entry and whether it is new.

        Raises ``UnknownTitle``, ``StaleVersion``, or a violation of the rules.
        """
        operation = Operation("upsert", target, sent, versions=versions)
        rendered, created = await self._execute(user_id, operation, origin=origin, shape="core")
        if rendered is None:
            raise AssertionError("an upsert leaves an entry")
        return rendered, created

    async def delete(
        self, user_id: int, target: Target, *, origin: str, versions: Versions | None = None
    ) -> None:
        """Delete the entry; raises ``NotOnList``, ``StaleVersion``."""
        operation = Operation("delete", target, versions=versions)
        await self._execute(user_id, operation, origin=origin, shape="core")

    async def discard(
        self, user_id: int, target: Target, *, origin: str, versions: Versions | None = None
    ) -> None:
        """Like :meth:`delete`, but a missing entry is not an error."""
        with suppress(NotOnList):
            await self.delete(user_id, target, origin=origin, versions=versions)

    async def batch(
        self, user_id: int, operations: Sequence[Operation], *, origin: str
    ) -> list[tuple[Outcome, RenderedEntry | None]]:
        """Execute all operations in one transaction.

        A failure is returned in its outcome and does not stop the others. Each outcome comes with the entry
        as the operation left it, if there is one.
        """
        async with self._turn(user_id), self._db.transaction() as tx:
            outcomes = await apply(tx, user_id, operations, origin=origin, now=self._clock())
            return await _with_entries(tx, outcomes, "core")

    async def _execute(
        self, user_id: int, operation: Operation, *, origin: str, shape: Shape
    ) -> tuple[RenderedEntry | None, bool]:
        """The resulting entry, and whether it is new."""
        async with self._turn(user_id):
            if operation.verb in ("update", "upsert"):
                edited = await self._edit_one(user_id, operation, origin=origin, shape=shape)
                if edited is not None:
                    return edited, False
            async with self._db.transaction() as tx:
                outcomes = await apply(tx, user_id, [operation], origin=origin, now=self._clock())
                [(outcome, rendered)] = await _with_entries(tx, outcomes, shape)
        if outcome.error is not None:  # after the commit, so that a link of the entry to its title is kept
            raise outcome.error
        return rendered, outcome.created

    async def _edit_one(
        self, user_id: int, operation: Operation, *, origin: str, shape: Shape
    ) -> RenderedEntry | None:
        """Fast path: edit an existing entry in two statements without a transaction.

        Returns None, and has changed nothing, if that is not possible; :func:`apply` then handles the
        operation.
        """
        target = operation.target
        if target.anime_id is None and target.entry_id is None:
            return None
        async with self._db.driver(fresh_plans=False) as driver:
            edits = EditRepository(driver)
            held = await edits.find(user_id, anime_id=target.anime_id, entry_id=target.entry_id)
            if held is None:
                return None
            entry, today = held.entry, day_in(held.timezone, self._clock())
            change = change_of(entry, operation, today=today)
            if change is None:
                return None
            if change.before == change.after:
                return await edits.show(entry, shape)
            edited = await edits.store(entry, change, origin=origin, shape=shape)
        if edited is not None:
            await self._db.publish(EntryChanged(user_id, (entry.id,), origin))
        return edited

    @asynccontextmanager
    async def _turn(self, user_id: int) -> AsyncIterator[None]:
        """Hold the user's turn to write.

        Raises ``ServiceUnavailable`` if too many writers wait for this list.
        """
        try:
            release = await self._writers.take(user_id)
        except NoSlot:
            raise ServiceUnavailable("Too many writes to this list at once.", retry_after=1) from None
        try:
            yield
        finally:
            release()

    async def history(
        self, user_id: int, target: Target, *, limit: int, offset: int
    ) -> tuple[list[EntryChange], int]:
        """One page of the changes of an entry, newest first, and their total number.

        Raises ``NotOnList`` if the entry or title was never on the list.
        """
        async with self._db.transaction() as tx:
            found, total = await ChangeRepository(tx).list_of_entry(
                user_id, anime_id=target.anime_id, entry_id=target.entry_id, limit=limit, offset=offset
            )
            if total == 0:
                raise NotOnList
            return found, total

    async def list_history(self, user_id: int, *, limit: int, offset: int) -> tuple[list[HistoryLine], int]:
        """One page of the changes of the whole list, newest first, and their total number.

        Without the changes by imports and other jobs, which have reports.
        """
        async with self._db.transaction() as tx:
            return await ChangeRepository(tx).list_newest(user_id, limit=limit, offset=offset)

    async def undo(self, user_id: int, target: Target) -> RenderedEntry | None:
        """Undo the last change that was not undone yet; returns None if that removed the entry.

        Raises ``NotOnList`` if there is no such change.
        """
        async with self._db.transaction() as tx:
            await lock_lists(tx, [user_id])
            change = await last_change(tx, user_id, target)
            entry = await undo_change(tx, user_id, change)
            return None if entry is None else (await _render(tx, [entry], "core"))[0]

    async def match(self) -> int:
        """Link unmatched entries to titles that the catalogue now has; returns how many."""
        linked = 0
        while True:
            async with self._db.transaction() as tx:
                found = await match_some(tx, limit=_MATCHED_AT_ONCE)
            linked += found
            if found < _MATCHED_AT_ONCE:
                return linked

    async def forget_changes(self) -> None:
        """Delete old changes of long histories, a batch of accounts per transaction."""
        after: int | None = 0
        while after is not None:
            async with self._db.transaction() as tx:
                after = await ChangeRepository(tx).delete_old(
                    after_user=after, users=_USERS_AT_ONCE, keep=KEPT_CHANGES, older=CHANGES_KEPT_FOR
                )


async def _with_entries(
    tx: Transaction, outcomes: Sequence[Outcome], shape: Shape
) -> list[tuple[Outcome, RenderedEntry | None]]:
    """The outcomes with their entries; a stale one gets the current entry in its details."""
    entries = [_entry_to_show(outcome) for outcome in outcomes]
    rendered = iter(await _render(tx, [entry for entry in entries if entry is not None], shape))
    shown = [None if entry is None else next(rendered) for entry in entries]
    for outcome, entry in zip(outcomes, shown, strict=True):
        if isinstance(outcome.error, StaleVersion):
            outcome.error.details = {"entry": None if entry is None else orjson.loads(entry.body)}
    return list(zip(outcomes, shown, strict=True))


def _entry_to_show(outcome: Outcome) -> Entry | None:
    return outcome.error.entry if isinstance(outcome.error, StaleVersion) else outcome.entry


async def _render(tx: Transaction, entries: Sequence[Entry], shape: Shape) -> list[RenderedEntry]:
    if not entries:
        return []
    return await EntryPages(await tx.driver()).render(entries, shape)
