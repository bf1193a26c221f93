"""SQL of list imports: the file, the report as it grows, and what was asked of it meanwhile."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.schemas.domain.lists import ImportReport, RowReport
from app.utils.database import Transaction


@dataclass(frozen=True, slots=True)
class StoredImport:
    """``content`` is the file, as it was sent; it is forgotten once all of it is in the report."""

    user_id: int
    content: bytes | None
    reported: int
    cancelled: bool
    undone: bool


class ImportRepository:
    """Works in a transaction, or, for single reads, on a connection in autocommit."""

    def __init__(self, on: Transaction | AsyncConnection) -> None:
        self._on = on.session if isinstance(on, Transaction) else on

    async def insert(self, job_id: int, user_id: int, *, filename: str | None, content: bytes) -> None:
        await self._on.execute(
            text(
                """
                insert into imports (job_id, user_id, filename, content)
                values (:job_id, :user_id, :filename, :content)
                """
            ),
            {"job_id": job_id, "user_id": user_id, "filename": filename, "content": content},
        )

    async def find(self, job_id: int, user_id: int) -> StoredImport | None:
        row = (
            await self._on.execute(
                text(
                    """
                    select user_id, content, jsonb_array_length(report) as reported,
                           cancelled_at is not null as cancelled, undone_at is not null as undone
                    from imports where job_id = :job_id and user_id = :user_id
                    """
                ),
                {"job_id": job_id, "user_id": user_id},
            )
        ).first()
        return None if row is None else StoredImport(**row._asdict())

    async def find_report(self, job_id: int, user_id: int) -> ImportReport | None:
        found = await self._on.execute(
            text("select report from imports where job_id = :job_id and user_id = :user_id"),
            {"job_id": job_id, "user_id": user_id},
        )
        report = found.scalar()
        return None if report is None else ImportReport([RowReport(**row) for row in report])

    async def append(self, job_id: int, rows: Sequence[RowReport]) -> None:
        await self._on.execute(
            text("update imports set report = report || cast(:rows as jsonb) where job_id = :job_id"),
            {"job_id": job_id, "rows": json.dumps([asdict(row) for row in rows])},
        )

    async def forget_content(self, job_id: int) -> None:
        await self._on.execute(
            text("update imports set content = null where job_id = :job_id"), {"job_id": job_id}
        )

    async def mark_cancelled(self, job_id: int) -> None:
        await self._on.execute(
            text("update imports set cancelled_at = coalesce(cancelled_at, now()) where job_id = :job_id"),
            {"job_id": job_id},
        )

    async def mark_undone(self, job_id: int) -> bool:
        """False where it was undone before."""
        result = await self._on.execute(
            text(
                """
                update imports set undone_at = now() where job_id = :job_id and undone_at is null
                returning 1
                """
            ),
            {"job_id": job_id},
        )
        return result.scalar() is not None
