"""The content of `/metrics`: metrics of all processes, and gauges computed from PostgreSQL."""

import asyncio

from app.repositories.metrics import MetricsRepository
from app.schemas.domain.metrics import JobFigure
from app.utils.db.database import Database, DatabaseUnavailable
from app.utils.metrics import Snapshot, as_text
from app.utils.shared_probe import SharedProbe

_WITHIN = 0.5  # seconds for the queries
_UPDATE_INTERVAL = 5.0  # seconds


class MetricsService:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._job_counts = SharedProbe(self._count_jobs)

    async def text(self) -> bytes:
        """All metrics in the Prometheus format.

        Without the gauges of PostgreSQL if the queries take too long.
        """
        self._db.update_metrics()
        snapshot = Snapshot()
        jobs = await self._job_counts.ask(_WITHIN)
        if jobs is not None:
            _add_jobs(snapshot, jobs)
        return await asyncio.to_thread(as_text, snapshot)

    async def update_periodically(self) -> None:
        """Update this process's gauges periodically, for scrapes that another process answers."""
        while True:
            self._db.update_metrics()
            await asyncio.sleep(_UPDATE_INTERVAL)

    async def close(self) -> None:
        await self._job_counts.close()

    async def _count_jobs(self) -> list[JobFigure] | None:
        try:
            async with self._db.reader() as connection:
                return await MetricsRepository(connection).count_jobs()
        except DatabaseUnavailable:
            return None


def _add_jobs(snapshot: Snapshot, jobs: list[JobFigure]) -> None:
    counts = (([job.kind, job.status], job.count) for job in jobs)
    snapshot.add("anisync_jobs", "Jobs in the table.", ["kind", "status"], counts)
    waits = max((job.waits for job in jobs), default=0)
    snapshot.add("anisync_jobs_overdue_seconds", "Age of the longest overdue job.", [], [([], waits)])
