"""A connection pool that reports its load as metrics."""

from typing import Any

from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from app.utils.metrics import POOL_CONNECTIONS, POOL_LIMIT, POOL_WAITING


class CountedPool(AsyncAdaptedQueuePool):
    """Counts the callers that wait for a connection, or for one to be opened.

    SQLAlchemy has no public hook or count for that: its ``checkout`` event fires once the wait is over.
    """

    _sqla_logger_namespace = "sqlalchemy.pool.CountedPool"  # same logger tree as the built-in pools

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.waiting = 0

    def _do_get(self) -> ConnectionPoolEntry:
        self.waiting += 1
        try:
            return super()._do_get()
        finally:
            self.waiting -= 1

    def update_metrics(self) -> None:
        """Set the gauges to the current state."""
        POOL_CONNECTIONS.labels("in_use").set(self.checkedout())
        POOL_CONNECTIONS.labels("idle").set(self.checkedin())
        POOL_LIMIT.set(self.size() + self._max_overflow)
        POOL_WAITING.set(self.waiting)
