"""A connection pool that can be asked how busy it is."""

from typing import Any

from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from app.utils.metrics import POOL_CONNECTIONS, POOL_LIMIT, POOL_WAITING


class CountedPool(AsyncAdaptedQueuePool):
    """Knows how many callers wait for a connection, or for one to be opened."""

    _sqla_logger_namespace = "sqlalchemy.pool.CountedPool"  # as quiet as the library's own

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.waiting = 0

    def _do_get(self) -> ConnectionPoolEntry:
        self.waiting += 1
        try:
            return super()._do_get()
        finally:
            self.waiting -= 1

    def note_figures(self) -> None:
        """Write down how things are now."""
        POOL_CONNECTIONS.labels("in_use").set(self.checkedout())
        POOL_CONNECTIONS.labels("idle").set(self.checkedin())
        POOL_LIMIT.set(self.size() + self._max_overflow)
        POOL_WAITING.set(self.waiting)
