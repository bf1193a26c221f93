"""SQL of the metrics."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import JobRow
from app.schemas.domain.metrics import JobFigure


class MetricsRepository:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def count_jobs(self) -> list[JobFigure]:
        """The number of jobs per kind and state, and the age in seconds of the longest overdue one."""
        waits = func.max(func.extract("epoch", func.now() - JobRow.run_after)).filter(
            JobRow.status == "queued", JobRow.run_after <= func.now()
        )
        statement = select(
            JobRow.kind, JobRow.status, func.count(), func.coalesce(waits, 0).label("waits")
        ).group_by(JobRow.kind, JobRow.status)
        rows = await self._connection.execute(statement)
        return [JobFigure(kind, status, count, float(waits)) for kind, status, count, waits in rows]
