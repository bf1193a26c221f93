"""A connection pool that reports its load as metrics, and hands out what lies ready without a detour."""

import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection

from app.utils.metrics import POOL_CONNECTIONS, POOL_LIMIT, POOL_WAITING

IDLE_BEFORE_PING = 1.0  # seconds; a connection used more recently is not pinged
USED_AT, OPENED_AT = "used_at", "opened_at"  # keys of a connection's info


class CountedPool(AsyncAdaptedQueuePool):
    """Counts the callers that wait for a connection, or for one to be opened.

    SQLAlchemy has no public hook or count for that: its ``checkout`` event fires once the wait is over.
    """

    _sqla_logger_namespace = "sqlalchemy.pool.CountedPool"  # same logger tree as the built-in pools

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.waiting = 0
        self._idle: list[ConnectionPoolEntry] = []  # as in the queue, the next one last
        event.listen(self, "connect", _note_opening)
        event.listen(self, "checkin", _note_use)

    def connect_at_once(self) -> PoolProxiedConnection | None:
        """A connection, if the next one needs neither waiting nor a ping nor to be opened.

        Unlike ``connect``, it needs no greenlet, which takes longer than all else about a checkout.
        """
        if not self._idle:
            return None
        known, now = self._idle[-1].info, time.monotonic()
        is_recent = now - known.get(USED_AT, 0.0) < IDLE_BEFORE_PING
        if not is_recent or self._idle[-1].dbapi_connection is None:
            return None
        # before SQLAlchemy would open it anew
        if self._recycle > 0 and now - known.get(OPENED_AT, 0.0) > self._recycle - IDLE_BEFORE_PING:
            return None
        return self.connect()

    def _do_get(self) -> ConnectionPoolEntry:
        self.waiting += 1
        try:
            record = super()._do_get()
        finally:
            self.waiting -= 1
        if record in self._idle:
            self._idle.remove(record)
        return record

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self._idle.append(record)
        super()._do_return_conn(record)

    def update_metrics(self) -> None:
        """Set the gauges to the current state."""
        POOL_CONNECTIONS.labels("in_use").set(self.checkedout())
        POOL_CONNECTIONS.labels("idle").set(self.checkedin())
        POOL_LIMIT.set(self.size() + self._max_overflow)
        POOL_WAITING.set(self.waiting)


def _note_opening(_: Any, record: ConnectionPoolEntry) -> None:
    record.info[OPENED_AT] = time.monotonic()


def _note_use(_: Any, record: ConnectionPoolEntry) -> None:
    record.info[USED_AT] = time.monotonic()
