"""The outbox: a transaction's events become rows and reactions, and after the commit messages."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from app.repositories.events import EventRepository, append_events, delete_events
from app.schemas.events import EVENTS, Event, StoredEvent
from app.utils.db.database import Database, Transaction
from app.utils.redis.bus import Bus

E = TypeVar("E", bound=Event)
Reaction = Callable[[Transaction, Sequence[E]], Awaitable[None]]

KEPT_FOR = timedelta(days=7)


class EventOutbox:
    """Attached to a :class:`Database`, so that its transactions can ``emit`` events.

    A durable event is stored in the transaction that emitted it, once per ``dedup_key``. After the commit
    every event is published on the bus under its topic; for a durable one the message only tells subscribers
    to read the table after their last id.
    """

    def __init__(self, db: Database, bus: Bus) -> None:
        self._db = db
        self._bus = bus
        self._reactions: dict[type[Event], list[Reaction[Any]]] = {}
        db.attach_recorder(self._record, self._publish)

    def react(self, kind: type[E], reaction: Reaction[E]) -> None:
        """Call ``reaction`` inside each transaction that emitted events of this kind, before the commit.

        It delays every such write, so it must be quick, such as enqueueing a job.
        """
        self._reactions.setdefault(kind, []).append(reaction)

    async def read(
        self, topic: str, *, after: int, since: datetime | None = None, limit: int = 500
    ) -> list[StoredEvent]:
        """The next durable events of a topic after this id, stored at ``since`` or later."""
        names = [kind.name for kind in EVENTS.values() if kind.topic == topic and kind.durable]
        async with self._db.reader() as connection:
            events = EventRepository(connection)
            if since is None:
                return await events.list_after(after, names=names, limit=limit)
            return await events.list_after(after, names=names, limit=limit, since=since)

    async def last_id(self) -> int:
        """The id of the newest durable event; 0 if there is none."""
        async with self._db.reader() as connection:
            return await EventRepository(connection).last_id()

    async def forget_old(self) -> int:
        """Delete durable events past their retention time; returns how many."""
        async with self._db.transaction() as tx:
            return await delete_events(tx, older_than=KEPT_FOR)

    async def _record(self, tx: Transaction, facts: Sequence[object]) -> None:
        events = [fact for fact in facts if isinstance(fact, Event)]
        for kind, reactions in self._reactions.items():
            if some := [event for event in events if isinstance(event, kind)]:
                for reaction in reactions:
                    await reaction(tx, some)
        # Last, because it takes a lock that all writers of events wait for until the commit.
        if durable := [event for event in events if event.durable]:
            await append_events(tx, durable)
        tx.after_commit(lambda: self._publish(events))

    async def _publish(self, facts: Sequence[object]) -> None:
        events = [fact for fact in facts if isinstance(fact, Event)]
        for topic in sorted({event.topic for event in events if event.durable}):
            await self._bus.publish(topic, b"")
        for event in events:
            if event.local:
                self._bus.deliver(event.topic, event.encode())
            elif not event.durable:
                await self._bus.publish(event.topic, event.encode())
