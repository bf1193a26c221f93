"""SQL of conflicts of the two-way sync."""

from collections.abc import Sequence

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.schemas.domain.sync import FieldConflict, SyncConflict
from app.utils.db.database import Transaction

_COLUMNS = ", ".join(SyncConflict.__dataclass_fields__)


class ConflictRepository:
    """Runs in a transaction or, for single reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def insert_many(
        self, user_id: int, service: str, conflicts: Sequence[tuple[int, FieldConflict]]
    ) -> None:
        """Add conflicts with their entry ids; each replaces an open conflict of the same field."""
        if not conflicts:
            return
        rows = [
            {
                "entry_id": entry_id,
                "field": one.field,
                "local_value": one.local_value,
                "remote_value": one.remote_value,
                "kept": one.kept,
            }
            for entry_id, one in conflicts
        ]
        given = "jsonb_to_recordset(cast(:rows as jsonb)) as r(entry_id bigint, field text"
        values = {"user_id": user_id, "service": service, "rows": orjson.dumps(rows).decode()}
        await self._connection.execute(
            text(
                f"""
                delete from sync_conflicts c using {given})
                where c.user_id = :user_id and c.service = :service and c.resolved_at is null
                  and c.entry_id = r.entry_id and c.field = r.field
                """
            ),
            values,
        )
        await self._connection.execute(
            text(
                f"""
                insert into sync_conflicts
                    (user_id, service, entry_id, field, local_value, remote_value, kept, at)
                select :user_id, :service, entry_id, field, coalesce(local_value, 'null'),
                       coalesce(remote_value, 'null'), kept, clock_timestamp()
                from {given}, local_value jsonb, remote_value jsonb, kept text)
                """
            ),
            values,
        )

    async def list_open(
        self, user_id: int, service: str, *, limit: int, offset: int
    ) -> tuple[list[SyncConflict], int]:
        """One page, newest first, and the total number."""
        where = "where user_id = :user_id and service = :service and resolved_at is null"
        values = {"user_id": user_id, "service": service, "limit": limit, "offset": offset}
        rows = await self._connection.execute(
            text(
                f"select {_COLUMNS} from sync_conflicts {where} order by id desc limit :limit offset :offset"
            ),
            values,
        )
        total = await self._connection.execute(text(f"select count(*) from sync_conflicts {where}"), values)
        return [SyncConflict(**row._asdict()) for row in rows], int(total.scalar_one())

    async def find_for_update(self, conflict_id: int, *, user_id: int, service: str) -> SyncConflict | None:
        """A conflict that is not resolved yet; locks its row."""
        row = (
            await self._connection.execute(
                text(
                    f"""
                    select {_COLUMNS} from sync_conflicts
                    where id = :id and user_id = :user_id and service = :service and resolved_at is null
                    for update
                    """
                ),
                {"id": conflict_id, "user_id": user_id, "service": service},
            )
        ).first()
        return None if row is None else SyncConflict(**row._asdict())

    async def mark_resolved(self, conflict_id: int) -> None:
        await self._connection.execute(
            text("update sync_conflicts set resolved_at = now() where id = :id"), {"id": conflict_id}
        )
