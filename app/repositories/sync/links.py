"""SQL of linked accounts at other services, and of pending OAuth states."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.utils.db.database import Transaction


@dataclass(frozen=True, slots=True)
class ServiceLink:
    """``token`` is encrypted; ``refused_at`` is when the service first rejected it, or None."""

    user_id: int
    service: str
    remote_user_id: int
    remote_name: str
    score_format: str | None
    token: bytes
    expires_at: datetime
    refused_at: datetime | None
    pulled_at: datetime | None
    pending_since: datetime | None
    reminded_days: int | None
    connected_at: datetime


_COLUMNS = ", ".join(ServiceLink.__dataclass_fields__)

_DELETE_SNAPSHOTS_OF_OTHER_ACCOUNT = """
    delete from sync_snapshots s using service_links l
    where s.user_id = :user_id and s.service = :service and l.user_id = s.user_id
      and l.service = s.service and l.remote_user_id <> :remote_user_id
"""
_UPSERT_LINK = """
    insert into service_links (user_id, service, remote_user_id, remote_name, score_format, token, expires_at)
    values (:user_id, :service, :remote_user_id, :remote_name, :score_format, :token, :expires_at)
    on conflict (user_id, service) do update
    set remote_name = excluded.remote_name, score_format = excluded.score_format, token = excluded.token,
        expires_at = excluded.expires_at, refused_at = null, reminded_days = null,
        connected_at = case when service_links.remote_user_id = excluded.remote_user_id
                            then service_links.connected_at else now() end,
        pulled_at = case when service_links.remote_user_id = excluded.remote_user_id
                         then service_links.pulled_at end,
        remote_user_id = excluded.remote_user_id
"""


class LinkRepository:
    """Runs in a transaction or, for single reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def find(self, user_id: int, service: str) -> ServiceLink | None:
        rows = await self._list("user_id = :user_id and service = :service", user_id=user_id, service=service)
        return rows[0] if rows else None

    async def replace(
        self,
        user_id: int,
        service: str,
        *,
        remote_user_id: int,
        remote_name: str,
        score_format: str | None,
        token: bytes,
        expires_at: datetime,
    ) -> None:
        """Link or relink the account; a different account than before starts without snapshots."""
        values = {
            "user_id": user_id,
            "service": service,
            "remote_user_id": remote_user_id,
            "remote_name": remote_name,
            "score_format": score_format,
            "token": token,
            "expires_at": expires_at,
        }
        await self._connection.execute(text(_DELETE_SNAPSHOTS_OF_OTHER_ACCOUNT), values)
        await self._connection.execute(text(_UPSERT_LINK), values)

    async def delete(self, user_id: int, service: str) -> None:
        """Unlink the account, and delete its snapshots, conflicts and OAuth states."""
        for table in ("sync_snapshots", "sync_conflicts", "oauth_states", "service_links"):
            await self._connection.execute(
                text(f"delete from {table} where user_id = :user_id and service = :service"),
                {"user_id": user_id, "service": service},
            )

    async def mark_refused(self, user_id: int, service: str, token: bytes) -> None:
        """Record that the service rejected this token; does nothing if a newer token is stored."""
        await self._connection.execute(
            text(
                """
                update service_links set refused_at = coalesce(refused_at, now())
                where user_id = :user_id and service = :service and token = :token
                """
            ),
            {"user_id": user_id, "service": service, "token": token},
        )

    async def mark_pulled(self, user_id: int, service: str) -> None:
        await self._connection.execute(
            text(
                "update service_links set pulled_at = now() where user_id = :user_id and service = :service"
            ),
            {"user_id": user_id, "service": service},
        )

    async def mark_pending(self, user_id: int, *, exclude: str = "") -> list[str]:
        """Mark the user's services, except ``exclude``, as having changes to push.

        Returns the services whose token is valid.
        """
        rows = await self._connection.execute(
            text(
                """
                update service_links set pending_since = coalesce(pending_since, now())
                where user_id = :user_id and service <> :exclude
                returning service, refused_at is null and expires_at > now() as is_valid
                """
            ),
            {"user_id": user_id, "exclude": exclude},
        )
        return [row.service for row in rows if row.is_valid]

    async def acquire_lease(self, user_id: int, service: str, run: UUID, *, seconds: float) -> bool:
        """Acquire or renew the account's lease for this run; False while another run holds it."""
        found = await self._connection.execute(
            text(
                """
                update service_links
                set busy_by = :run, busy_until = clock_timestamp() + make_interval(secs => :seconds)
                where user_id = :user_id and service = :service
                  and (busy_by = :run or coalesce(busy_until < clock_timestamp(), true))
                returning true
                """
            ),
            {"user_id": user_id, "service": service, "run": run, "seconds": seconds},
        )
        return bool(found.scalar())

    async def release_lease(self, user_id: int, service: str, run: UUID) -> None:
        await self._connection.execute(
            text(
                """
                update service_links set busy_by = null, busy_until = null
                where user_id = :user_id and service = :service and busy_by = :run
                """
            ),
            {"user_id": user_id, "service": service, "run": run},
        )

    async def clear_pending(self, user_id: int, service: str) -> None:
        await self._connection.execute(
            text(
                """
                update service_links set pending_since = null
                where user_id = :user_id and service = :service
                """
            ),
            {"user_id": user_id, "service": service},
        )

    async def list_push_due(self, *, before: datetime, limit: int) -> list[tuple[int, str]]:
        """Users and services with changes pending since before ``before``, longest first.

        Those without a valid token are excluded.
        """
        rows = await self._connection.execute(
            text(
                """
                select user_id, service from service_links
                where pending_since < :before and refused_at is null and expires_at > now()
                order by pending_since limit :limit
                """
            ),
            {"before": before, "limit": limit},
        )
        return [(row.user_id, row.service) for row in rows]

    async def list_pull_due(self, *, before: datetime, limit: int) -> list[tuple[int, str]]:
        """Users and services last pulled before ``before``, longest ago first.

        Those never pulled, or without a valid token, are excluded.
        """
        rows = await self._connection.execute(
            text(
                """
                select user_id, service from service_links
                where pulled_at < :before and refused_at is null and expires_at > now()
                order by pulled_at limit :limit
                """
            ),
            {"before": before, "limit": limit},
        )
        return [(row.user_id, row.service) for row in rows]

    async def list_all(self) -> list[ServiceLink]:
        return await self._list("true")

    async def set_token(self, user_id: int, service: str, token: bytes) -> None:
        await self._connection.execute(
            text("update service_links set token = :token where user_id = :user_id and service = :service"),
            {"user_id": user_id, "service": service, "token": token},
        )

    async def list_expiring(self, *, before: datetime) -> list[ServiceLink]:
        return await self._list("expires_at < :before", before=before)

    async def note_reminder(self, user_id: int, service: str, days: int) -> None:
        await self._connection.execute(
            text(
                """
                update service_links set reminded_days = :days
                where user_id = :user_id and service = :service
                """
            ),
            {"user_id": user_id, "service": service, "days": days},
        )

    async def insert_state(
        self,
        state_hash: bytes,
        *,
        user_id: int,
        session_id: UUID | None,
        service: str,
        expires_at: datetime,
    ) -> None:
        """Store an OAuth state; it is deleted with its session."""
        await self._connection.execute(
            text(
                """
                insert into oauth_states (state_hash, user_id, session_id, service, expires_at)
                values (:state_hash, :user_id, :session_id, :service, :expires_at)
                """
            ),
            {
                "state_hash": state_hash,
                "user_id": user_id,
                "session_id": session_id,
                "service": service,
                "expires_at": expires_at,
            },
        )

    async def take_state(self, state_hash: bytes, *, service: str, now: datetime) -> int | None:
        """The user of an OAuth state; None if it was used or has expired. Also deletes expired states."""
        await self._connection.execute(text("delete from oauth_states where expires_at < :now"), {"now": now})
        found = await self._connection.execute(
            text(
                """
                delete from oauth_states where state_hash = :state_hash and service = :service
                returning user_id
                """
            ),
            {"state_hash": state_hash, "service": service},
        )
        user_id: int | None = found.scalar()
        return user_id

    async def _list(self, where: str, **values: Any) -> list[ServiceLink]:
        rows = await self._connection.execute(
            text(f"select {_COLUMNS} from service_links where {where} order by user_id, service"), values
        )
        found: Sequence[Any] = rows.all()
        return [ServiceLink(**row._asdict()) for row in found]
