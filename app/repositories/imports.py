"""SQL of list imports: the file, the report as it grows, and what was asked of it meanwhile."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.schemas.domain.library import Subject
from app.schemas.domain.lists import BadRow, ImportReport, ListedRow, ListFile, RowReport
from app.utils.database import Transaction


@dataclass(frozen=True, slots=True)
class StoredImport:
    """``reported`` rows are done; ``running`` until all of them are."""

    reported: int
    running: bool
    cancelled: bool


class ImportRepository:
    """Works in a transaction, or, for single reads, on a connection in autocommit."""

    def __init__(self, on: Transaction | AsyncConnection) -> None:
        self._on = on.session if isinstance(on, Transaction) else on

    async def insert(self, job_id: int, user_id: int, *, filename: str | None, rows: bytes) -> None:
        """``rows`` is what :class:`PackedList` made of the file."""
        await self._on.execute(
            text(
                """
                insert into imports (job_id, user_id, filename, content)
                values (:job_id, :user_id, :filename, :content)
                """
            ),
            {"job_id": job_id, "user_id": user_id, "filename": filename, "content": rows},
        )

    async def find(self, job_id: int, user_id: int) -> StoredImport | None:
        row = (
            await self._on.execute(
                text(
                    """
                    select jsonb_array_length(report) as reported, content is not null as running,
                           cancelled_at is not null as cancelled
                    from imports where job_id = :job_id and user_id = :user_id
                    """
                ),
                {"job_id": job_id, "user_id": user_id},
            )
        ).first()
        return None if row is None else StoredImport(**row._asdict())

    async def find_rows(self, job_id: int) -> bytes | None:
        """What :meth:`insert` was given; None once all of it is in the report."""
        found = await self._on.execute(
            text("select content from imports where job_id = :job_id"), {"job_id": job_id}
        )
        rows: bytes | None = found.scalar()
        return rows

    async def is_cancelled(self, job_id: int) -> bool:
        found = await self._on.execute(
            text("select cancelled_at is not null from imports where job_id = :job_id"), {"job_id": job_id}
        )
        return bool(found.scalar())

    async def find_report(self, job_id: int, user_id: int) -> ImportReport | None:
        found = await self._on.execute(
            text("select report from imports where job_id = :job_id and user_id = :user_id"),
            {"job_id": job_id, "user_id": user_id},
        )
        report = found.scalar()
        return None if report is None else ImportReport([RowReport(*row) for row in report])

    async def append(self, job_id: int, rows: Sequence[RowReport]) -> None:
        await self._on.execute(
            text("update imports set report = report || cast(:rows as jsonb) where job_id = :job_id"),
            {
                "job_id": job_id,
                "rows": orjson.dumps([_reported(row) for row in rows]).decode(),
            },
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


def _reported(row: RowReport) -> tuple[Any, ...]:
    """The row as :meth:`ImportRepository.find_report` takes it apart."""
    return (row.line, row.title, row.action, row.reason, row.media_type, row.anime_id, row.changes)


class PackedList:
    """A list file read into our words, in a few bytes: the worker takes from it what it is about to write."""

    def __init__(self, packed: bytes) -> None:
        head, *self._lines = zlib.decompress(packed).split(b"\n")
        self.source: str = orjson.loads(head)

    @staticmethod
    def pack(found: ListFile) -> bytes:
        rows: list[ListedRow | BadRow] = sorted([*found.rows, *found.bad], key=lambda row: row.line)
        return zlib.compress(b"\n".join(orjson.dumps(line) for line in [found.source, *rows]), level=1)

    def __len__(self) -> int:
        return len(self._lines)

    def take(self, start: int, count: int) -> list[ListedRow | BadRow]:
        """Some rows, good and bad, in the order of the file."""
        return [_listed(orjson.loads(line)) for line in self._lines[start : start + count]]


def _listed(row: dict[str, Any]) -> ListedRow | BadRow:
    if "subject" not in row:
        return BadRow(**row)
    fields = row["fields"]
    if "tags" in fields:
        fields["tags"] = tuple(fields["tags"])
    row["subject"] = Subject(**row["subject"])
    return ListedRow(**row)
