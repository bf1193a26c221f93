"""SQL of durable events."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.schemas.events import EVENTS, Event, StoredEvent
from app.utils.db.database import Transaction

_LOCK = 7_231_905  # advisory lock of writers, held until the commit, so that ids become visible in order

_APPEND = """
    insert into events (name, dedup_key, body)
    select name, dedup_key, body
    from jsonb_to_recordset(cast(:rows as jsonb)) as r(name text, dedup_key text, body jsonb)
    on conflict (dedup_key) do nothing
    returning id
"""
_READ = """
    select id, name, body, stored_at from events
    where id > :after and stored_at >= :since and name = any(:names)
    order by id limit :limit
"""
_BEGINNING = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


async def append_events(tx: Transaction, events: Sequence[Event]) -> list[int]:
    """Store the events; returns the ids of the new ones. Must be the last statement before the commit."""
    rows = [{"name": event.name, "dedup_key": event.dedup_key, "body": event.body} for event in events]
    await tx.session.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    inserted = await tx.session.execute(text(_APPEND), {"rows": orjson.dumps(rows).decode()})
    return [row.id for row in inserted]


class EventRepository:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def list_after(
        self, event_id: int, *, names: Sequence[str], limit: int, since: datetime = _BEGINNING
    ) -> list[StoredEvent]:
        """The next events after an id, stored at ``since`` or later."""
        parameters = {"after": event_id, "since": since, "names": list(names), "limit": limit}
        rows = await self._connection.execute(text(_READ), parameters)
        return [_stored(row) for row in rows]

    async def last_id(self) -> int:
        """The id of the newest event; 0 if there is none."""
        return int(await self._connection.scalar(text("select coalesce(max(id), 0) from events")) or 0)


async def delete_events(tx: Transaction, *, older_than: timedelta) -> int:
    """Delete older events; returns how many."""
    statement = text("delete from events where stored_at < now() - cast(:age as interval)")
    result: Any = await tx.session.execute(statement, {"age": older_than})
    return int(result.rowcount)


def _stored(row: Row[Any]) -> StoredEvent:
    return StoredEvent(row.id, EVENTS[row.name].read(row.body), row.stored_at)
