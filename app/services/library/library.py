"""A person's list: reading pages of it, and writing to it in one transaction a call."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from app.repositories.library import (
    ChangeRepository,
    EntryPage,
    EntryPages,
    EntryRepository,
    ItemFilter,
    ListFilter,
    lock_lists,
)
from app.schemas.domain.library import Entry, EntryChange, EntryCount
from app.services.library.desk import NotOnList, Operation, Outcome, Target, Versions, apply
from app.services.library.matching import match_some
from app.services.library.undo import last_change, take_back
from app.utils.clock import Clock, utc_now
from app.utils.database import Database

_MATCHED_AT_ONCE = 2000  # entries a transaction


class LibraryService:
    """``origin`` says in the history where a change came from: ``api``, ``tracker``, ``watch``…"""

    def __init__(self, db: Database, clock: Clock = utc_now) -> None:
        self._db = db
        self._clock = clock

    async def list_anime(self, user_id: int, wanted: ListFilter, *, limit: int, offset: int) -> EntryPage:
        async with self._db.reader() as connection:
            return await EntryPages(connection).list_anime(user_id, wanted, limit=limit, offset=offset)

    async def list_items(self, user_id: int, wanted: ItemFilter, *, limit: int, offset: int) -> EntryPage:
        """All entries, manga and titles of one's own included, in the tracker's words."""
        async with self._db.reader() as connection:
            return await EntryPages(connection).list_items(user_id, wanted, limit=limit, offset=offset)

    async def count(self, user_id: int) -> list[EntryCount]:
        async with self._db.reader() as connection:
            return await EntryPages(connection).count(user_id)

    async def get(self, user_id: int, target: Target) -> Entry:
        """Raises ``NotOnList``."""
        async with self._db.transaction() as tx:
            found = await EntryRepository(tx).find(
                user_id, anime_id=target.anime_id, entry_id=target.entry_id
            )
            if found is None:
                raise NotOnList
            return found

    async def add(self, user_id: int, target: Target, sent: Mapping[str, Any], *, origin: str) -> Entry:
        """Raises ``AlreadyOnList``, ``UnknownTitle``, or what the rules of an entry say."""
        return _entry(await self._one(user_id, Operation("add", target, sent), origin))

    async def edit(self, user_id: int, operation: Operation, *, origin: str) -> Entry:
        """Change the fields sent and no others; raises ``NotOnList``, ``PreconditionFailed``."""
        return _entry(await self._one(user_id, operation, origin))

    async def delete(
        self, user_id: int, target: Target, *, origin: str, versions: Versions | None = None
    ) -> None:
        """Raises ``NotOnList``, ``PreconditionFailed``."""
        await self._one(user_id, Operation("delete", target, versions=versions), origin)

    async def discard(self, user_id: int, target: Target, *, origin: str) -> None:
        """Like :meth:`delete`, but what is not there is no error."""
        with suppress(NotOnList):
            await self.delete(user_id, target, origin=origin)

    async def batch(self, user_id: int, operations: Sequence[Operation], *, origin: str) -> list[Outcome]:
        """All in one transaction; one that fails says so in its outcome and stops no other."""
        async with self._db.transaction() as tx:
            return await apply(tx, user_id, operations, origin=origin, today=self._today())

    async def history(
        self, user_id: int, anime_id: int, *, limit: int, offset: int
    ) -> tuple[list[EntryChange], int]:
        """One page, newest first, and how many changes there are in all.

        Raises ``NotOnList`` where the title never was on the list.
        """
        async with self._db.transaction() as tx:
            changes = ChangeRepository(tx)
            found, total = await changes.list_of_anime(user_id, anime_id, limit=limit, offset=offset)
            if total == 0:
                raise NotOnList
            return found, total

    async def undo(self, user_id: int, anime_id: int) -> Entry | None:
        """Take back the last change that was not taken back yet; None where that removed the entry.

        Raises ``NotOnList`` where there is no such change.
        """
        async with self._db.transaction() as tx:
            await lock_lists(tx, [user_id])
            change = await last_change(tx, user_id, anime_id)
            return await take_back(tx, user_id, change)

    async def match(self) -> int:
        """Link entries of unknown titles to those that the catalogue knows by now; answers how many."""
        linked = 0
        while True:
            async with self._db.transaction() as tx:
                found = await match_some(tx, limit=_MATCHED_AT_ONCE)
            linked += found
            if found < _MATCHED_AT_ONCE:
                return linked

    async def _one(self, user_id: int, operation: Operation, origin: str) -> Outcome:
        async with self._db.transaction() as tx:
            [outcome] = await apply(tx, user_id, [operation], origin=origin, today=self._today())
            if outcome.error is not None:
                raise outcome.error
            return outcome

    def _today(self) -> str:
        return self._clock().date().isoformat()


def _entry(outcome: Outcome) -> Entry:
    if outcome.entry is None:
        raise AssertionError("an addition and a change leave an entry")
    return outcome.entry
