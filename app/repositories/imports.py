"""SQL of list imports: the file, the report as it grows, and what was asked of it meanwhile."""

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
    """``counts`` says how many rows met which fate so far; ``running`` is true while its job is not over."""

    counts: Mapping[str, int]
    running: bool
    cancelled: bool
    undone: bool
    is_dry_run: bool

    @property
    def reported(self) -> int:
        """How many rows of the file are done."""
        return sum(self.counts.values())


class ImportRepository:
    """Works in a transaction, or, for single reads, on a connection in autocommit."""

    def __init__(self, on: Transaction | AsyncConnection) -> None:
        self._on = on.session if isinstance(on, Transaction) else on

    async def insert(
        self, job_id: int, user_id: int, *, filename: str | None, content: bytes, is_dry_run: bool
    ) -> None:
        """``content`` is the file as it was sent."""
        await self._on.execute(
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
        """Like :meth:`find`; neither the import nor the status of its job changes in this transaction.

        The list of the person has to be locked before.
        """
        return await self._find(job_id, user_id, "for update of i for share of j")

    async def _find(self, job_id: int, user_id: int, lock: str = "") -> StoredImport | None:
        row = (
            await self._on.execute(
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
        """The file; None once all of it is in the report, or the import was taken back."""
        found = await self._on.execute(
            text("select content from imports where job_id = :job_id"), {"job_id": job_id}
        )
        content: bytes | None = found.scalar()
        return content

    async def is_cancelled(self, job_id: int) -> bool:
        found = await self._on.execute(
            text("select cancelled_at is not null from imports where job_id = :job_id"), {"job_id": job_id}
        )
        return bool(found.scalar())

    async def append(self, job_id: int, rows: bytes, *, position: int, counts: Mapping[str, int]) -> None:
        """Add ``rows``, made by :func:`pack_rows`, to the report; ``counts`` are those of all rows so far."""
        await self._on.execute(
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

    async def find_piece(self, job_id: int, *, position: int) -> tuple[str, int] | None:
        """The piece of the report that begins at ``position``: its JSON array, and of how many rows."""
        row = (
            await self._on.execute(
                text(
                    """
                    select rows::text as piece, json_array_length(rows) as number from import_reports
                    where job_id = :job_id and position = :position
                    """
                ),
                {"job_id": job_id, "position": position},
            )
        ).first()
        return None if row is None else (row.piece, row.number)

    async def set_content(self, job_id: int, content: bytes) -> None:
        """What was fetched for an import that began without a file."""
        await self._on.execute(
            text("update imports set content = :content where job_id = :job_id"),
            {"job_id": job_id, "content": content},
        )

    async def forget_content(self, job_id: int) -> None:
        await self._on.execute(
            text("update imports set content = null where job_id = :job_id"), {"job_id": job_id}
        )

    async def mark_cancelled(self, job_id: int) -> None:
        """An import that has come to its end stays what it is."""
        await self._on.execute(
            text(
                """
                update imports set cancelled_at = coalesce(cancelled_at, now())
                where job_id = :job_id and content is not null
                """
            ),
            {"job_id": job_id},
        )

    async def mark_undone(self, job_id: int) -> None:
        await self._on.execute(
            text("update imports set undone_at = now() where job_id = :job_id"), {"job_id": job_id}
        )


def pack_rows(rows: Sequence[RowReport]) -> bytes:
    """Rows of a report as a JSON array, by the names that the API shows."""
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
