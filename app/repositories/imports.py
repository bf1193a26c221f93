"""SQL of list imports: the uploaded file, the growing report, cancellation and undo."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.schemas.domain.lists import RowReport
from app.utils.db.database import Transaction


@dataclass(frozen=True, slots=True)
class StoredImport:
    """``counts`` is the number of rows per outcome so far; ``running`` is true until its job has finished."""

    counts: Mapping[str, int]
    running: bool
    cancelled: bool
    undone: bool
    is_dry_run: bool

    @property
    def reported(self) -> int:
        """The number of rows processed."""
        return sum(self.counts.values())


class ImportRepository:
    """Runs in a transaction or, for single reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def insert(
        self, job_id: int, user_id: int, *, filename: str | None, content: bytes, is_dry_run: bool
    ) -> None:
        """Insert an import; ``content`` is the uploaded file."""
        await self._connection.execute(
            text(
                """
                insert into imports (job_id, user_id, filename, content, is_dry_run)
                values (:job_id, :user_id, :filename, :content, :is_dry_run)
                """
            ),
            {
                "job_id": job_id,
                "user_id": user_id,
                "filename": filename,
                "content": content,
                "is_dry_run": is_dry_run,
            },
        )

    async def find(self, job_id: int, user_id: int) -> StoredImport | None:
        return await self._find(job_id, user_id)

    async def find_for_update(self, job_id: int, user_id: int) -> StoredImport | None:
        """Like :meth:`find`, but locks the import and its job until the transaction ends.

        The caller must hold the lock of the user's list.
        """
        return await self._find(job_id, user_id, "for update of i for share of j")

    async def _find(self, job_id: int, user_id: int, lock: str = "") -> StoredImport | None:
        row = (
            await self._connection.execute(
                text(
                    f"""
                    select i.counts, j.status in ('queued', 'running') as running,
                           i.cancelled_at is not null as cancelled, i.undone_at is not null as undone,
                           i.is_dry_run
                    from imports i join jobs j on j.id = i.job_id
                    where i.job_id = :job_id and i.user_id = :user_id {lock}
                    """
                ),
                {"job_id": job_id, "user_id": user_id},
            )
        ).first()
        return None if row is None else StoredImport(**row._asdict())

    async def find_content(self, job_id: int) -> bytes | None:
        """The uploaded file; None once it is processed, or the import was undone."""
        found = await self._connection.execute(
            text("select content from imports where job_id = :job_id"), {"job_id": job_id}
        )
        content: bytes | None = found.scalar()
        return content

    async def is_without_content(self, job_id: int) -> bool:
        """Whether the job is an import without its file: it was undone, or has finished."""
        found = await self._connection.execute(
            text("select content is null from imports where job_id = :job_id"), {"job_id": job_id}
        )
        return bool(found.scalar())

    async def is_cancelled(self, job_id: int) -> bool:
        found = await self._connection.execute(
            text("select cancelled_at is not null from imports where job_id = :job_id"), {"job_id": job_id}
        )
        return bool(found.scalar())

    async def append(self, job_id: int, rows: bytes, *, position: int, counts: Mapping[str, int]) -> None:
        """Append ``rows`` of :func:`pack_rows` to the report; ``counts`` are those of all rows so far."""
        await self._connection.execute(
            text(
                """
                with counted as (update imports set counts = cast(:counts as jsonb) where job_id = :job_id)
                insert into import_reports (job_id, position, rows)
                values (:job_id, :position, cast(:rows as json))
                """
            ),
            {
                "job_id": job_id,
                "position": position,
                "rows": rows.decode(),
                "counts": orjson.dumps(counts).decode(),
            },
        )

    async def find_chunk(self, job_id: int, *, position: int) -> tuple[str, int] | None:
        """The chunk of the report that starts at row ``position``: its JSON array and its number of rows."""
        row = (
            await self._connection.execute(
                text(
                    """
                    select rows::text as chunk, json_array_length(rows) as number from import_reports
                    where job_id = :job_id and position = :position
                    """
                ),
                {"job_id": job_id, "position": position},
            )
        ).first()
        return None if row is None else (row.chunk, row.number)

    async def set_content(self, job_id: int, content: bytes) -> None:
        """Store the list that was fetched for an import that began without a file."""
        await self._connection.execute(
            text("update imports set content = :content where job_id = :job_id"),
            {"job_id": job_id, "content": content},
        )

    async def forget_content(self, job_id: int) -> None:
        await self._connection.execute(
            text("update imports set content = null where job_id = :job_id"), {"job_id": job_id}
        )

    async def mark_cancelled(self, job_id: int) -> None:
        """Cancel an import; does nothing if it has finished."""
        await self._connection.execute(
            text(
                """
                update imports set cancelled_at = coalesce(cancelled_at, now())
                where job_id = :job_id and content is not null
                """
            ),
            {"job_id": job_id},
        )

    async def mark_undone(self, job_id: int) -> None:
        await self._connection.execute(
            text("update imports set undone_at = now() where job_id = :job_id"), {"job_id": job_id}
        )


def pack_rows(rows: Sequence[RowReport]) -> bytes:
    """Rows of a report as a JSON array with the field names of the API."""
    return orjson.dumps([_shown(row) for row in rows])


def _shown(row: RowReport) -> dict[str, Any]:
    return {
        "line": row.line,
        "title": row.title,
        "action": row.action,
        "reason": row.reason,
        "media_type": row.media_type,
        "anime_id": row.anime_id,
        "matched": row.matched,
        "changes": row.changes,
    }
