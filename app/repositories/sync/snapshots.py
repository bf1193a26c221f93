"""SQL of snapshots: each service's last known entries, and our entries not yet pushed to it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.repositories.library.entries import ENTRY, SUBJECT, entry_of
from app.repositories.library.rendering import ANILIST_ID, FROM_ENTRIES, MAL_ID
from app.schemas.domain.library import Entry, MediaType
from app.schemas.domain.sync import Snapshot, SyncState
from app.utils.db.database import Transaction

IdField = Literal["anilist_id", "mal_id"]

# Entries with changes that were not pushed yet. If two entries have the same id at the service, the one that
# was synced first keeps it.
_PENDING = f"""
    {FROM_ENTRIES}
    left join sync_snapshots s on s.user_id = e.user_id and s.service = :service and s.entry_id = e.id
    where e.user_id = :user_id
      and coalesce(s.remote_id, {{id}}) is not null
      and case when s.entry_id is null
               then e.updated_at >= :unsynced_since and not exists (
                    select from sync_snapshots o join entries held on held.id = o.entry_id
                    where o.user_id = e.user_id and o.service = :service
                      and o.media_type = e.media_type and o.remote_id = {{id}})
               else s.local_version < e.version end
"""
_ID: Mapping[IdField, str] = {"anilist_id": ANILIST_ID, "mal_id": MAL_ID}


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """``entry_id`` may be that of a deleted entry; ``local_version`` is the version last pushed."""

    media_type: MediaType
    remote_id: int
    entry_id: int
    local_version: int
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """``fault`` is the service's reason for rejecting the entry, if it did."""

    media_type: MediaType
    remote_id: int
    entry_id: int
    local_version: int
    snapshot: Snapshot
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class PendingEntry:
    entry_id: int
    media_type: MediaType
    remote_id: int
    updated_at: datetime


class SnapshotRepository:
    """Runs in a transaction or, for single reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def list_of(
        self,
        user_id: int,
        service: str,
        media_type: MediaType,
        *,
        remote_ids: Sequence[int] = (),
        entry_ids: Sequence[int] = (),
    ) -> list[StoredSnapshot]:
        """The snapshots of these titles of the service, or of these entries of ours."""
        rows = await self._connection.execute(
            text(
                """
                select media_type, remote_id, entry_id, local_version, remote, sent from sync_snapshots
                where user_id = :user_id and service = :service and media_type = :media_type
                  and (remote_id = any(cast(:remote_ids as int[]))
                       or entry_id = any(cast(:entry_ids as bigint[])))
                """
            ),
            {
                "user_id": user_id,
                "service": service,
                "media_type": media_type,
                "remote_ids": list(remote_ids),
                "entry_ids": list(entry_ids),
            },
        )
        return [_snapshot_of(row) for row in rows]

    async def put_many(self, user_id: int, service: str, news: Sequence[NewSnapshot]) -> None:
        """Store snapshots, replacing earlier ones of the same title or the same entry."""
        if not news:
            return
        rows = orjson.dumps([_row(new) for new in news]).decode()
        values = {"user_id": user_id, "service": service, "rows": rows}
        await self._connection.execute(
            text(
                """
                delete from sync_snapshots s
                using jsonb_to_recordset(cast(:rows as jsonb))
                      as r(entry_id bigint, remote_id int, media_type text)
                where s.user_id = :user_id and s.service = :service and s.entry_id = r.entry_id
                  and (s.remote_id, s.media_type) <> (r.remote_id, r.media_type)
                """
            ),
            values,
        )
        await self._connection.execute(
            text(
                """
                insert into sync_snapshots (user_id, service, media_type, remote_id, entry_id, remote, sent,
                                            local_version, fault, seen_at)
                select :user_id, :service, media_type, remote_id, entry_id, remote, sent, local_version,
                       fault, now()
                from jsonb_to_recordset(cast(:rows as jsonb)) as r(
                    media_type text, remote_id int, entry_id bigint, remote jsonb, sent jsonb,
                    local_version int, fault text)
                on conflict (user_id, service, media_type, remote_id) do update
                set entry_id = excluded.entry_id, remote = excluded.remote, sent = excluded.sent,
                    local_version = excluded.local_version, fault = excluded.fault, seen_at = now()
                """
            ),
            values,
        )

    async def list_pending(
        self, user_id: int, service: str, id_field: IdField, *, unsynced_since: datetime, limit: int
    ) -> list[PendingEntry]:
        """Entries with changes not pushed yet, ordered by their last edit.

        Entries that were never pushed are included only if edited at ``unsynced_since`` or later.
        """
        column = _ID[id_field]
        rows = await self._connection.execute(
            text(
                f"""
                select e.id, e.media_type, coalesce(s.remote_id, {column}) as remote_id, e.updated_at
                {_PENDING.format(id=column)} order by e.updated_at, e.id limit :limit
                """
            ),
            {"user_id": user_id, "service": service, "unsynced_since": unsynced_since, "limit": limit},
        )
        return [PendingEntry(row.id, row.media_type, row.remote_id, row.updated_at) for row in rows]

    async def count_pending(
        self, user_id: int, service: str, id_field: IdField, *, unsynced_since: datetime
    ) -> int:
        found = await self._connection.execute(
            text(f"select count(*) {_PENDING.format(id=_ID[id_field])}"),
            {"user_id": user_id, "service": service, "unsynced_since": unsynced_since},
        )
        return int(found.scalar_one())

    async def list_faults(self, user_id: int, service: str) -> list[tuple[int, str]]:
        """Entries that the service rejects, with the reason."""
        rows = await self._connection.execute(
            text(
                """
                select s.entry_id, s.fault from sync_snapshots s join entries e on e.id = s.entry_id
                where s.user_id = :user_id and s.service = :service and s.fault is not null
                order by s.entry_id limit 100
                """
            ),
            {"user_id": user_id, "service": service},
        )
        return [(row.entry_id, row.fault) for row in rows]

    async def find_entry(self, user_id: int, entry_id: int) -> Entry | None:
        """The entry; locks its row."""
        row = (
            await self._connection.execute(
                text(
                    f"""
                    select {ENTRY}, {SUBJECT} {FROM_ENTRIES}
                    where e.user_id = :user_id and e.id = :entry_id for update of e
                    """
                ),
                {"user_id": user_id, "entry_id": entry_id},
            )
        ).first()
        return None if row is None else entry_of(row)


def _snapshot_of(row: Row[Any]) -> StoredSnapshot:
    snapshot = Snapshot(SyncState.read(row.remote), SyncState.read(row.sent))
    return StoredSnapshot(row.media_type, row.remote_id, row.entry_id, row.local_version, snapshot)


def _row(new: NewSnapshot) -> dict[str, Any]:
    return {
        "media_type": new.media_type,
        "remote_id": new.remote_id,
        "entry_id": new.entry_id,
        "local_version": new.local_version,
        "fault": new.fault,
        "remote": asdict(new.snapshot.remote),
        "sent": asdict(new.snapshot.sent),
    }
