"""Writing to a list: each method is one transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.schemas.domain.library import Entry
from app.services.library.desk import Operation, Outcome, Target, apply
from app.utils.clock import Clock, utc_now
from app.utils.database import Database


class LibraryService:
    """``origin`` says in the history where a change came from: ``api``, ``tracker``, ``watch``…"""

    def __init__(self, db: Database, clock: Clock = utc_now) -> None:
        self._db = db
        self._clock = clock

    async def add(self, user_id: int, target: Target, sent: Mapping[str, Any], *, origin: str) -> Entry:
        """Raises ``AlreadyOnList``, ``UnknownTitle``, or what the rules of an entry say."""
        return _entry(await self._one(user_id, Operation("add", target, sent), origin))

    async def edit(
        self,
        user_id: int,
        target: Target,
        sent: Mapping[str, Any],
        *,
        origin: str,
        steps: int = 0,
        versions: frozenset[int] | None = None,
    ) -> Entry:
        """Change the fields sent and no others; raises ``NotOnList``, ``PreconditionFailed``."""
        return _entry(await self._one(user_id, Operation("update", target, sent, steps, versions), origin))

    async def delete(
        self, user_id: int, target: Target, *, origin: str, versions: frozenset[int] | None = None
    ) -> None:
        """Raises ``NotOnList``, ``PreconditionFailed``."""
        await self._one(user_id, Operation("delete", target, versions=versions), origin)

    async def batch(self, user_id: int, operations: Sequence[Operation], *, origin: str) -> list[Outcome]:
        """All in one transaction; one that fails says so in its outcome and stops no other."""
        async with self._db.transaction() as tx:
            return await apply(tx, user_id, operations, origin=origin, today=self._today())

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
