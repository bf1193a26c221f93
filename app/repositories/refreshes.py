"""Which titles have grown stale, and which an upstream has nothing newer for."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.schemas.domain.anime import Status
from app.schemas.jobs import SyncAnime
from app.utils.database import Transaction


class RefreshRepository:
    """On a transaction, or, for reading, on a connection in autocommit."""

    def __init__(self, on: Transaction | AsyncConnection) -> None:
        self._on = on.session if isinstance(on, Transaction) else on

    async def list_stale(self, stale_before: Mapping[Status | None, datetime], *, limit: int) -> list[int]:
        """MAL ids of titles last synced before the instant of their status, without those queued already.

        Airing ones come first, then those never synced, then the oldest.
        """
        parameters = {f"before_{status}": before for status, before in stale_before.items()}
        found = await self._on.execute(_STALE, {**parameters, "kind": SyncAnime.name, "limit": limit})
        return list(found.scalars())

    async def confirm(self, mal_id: int, *, synced_at: datetime) -> bool:
        """Move ``synced_at`` of a stored title and nothing else; False when there is no such title."""
        found = await self._on.execute(_CONFIRM, {"mal_id": mal_id, "synced_at": synced_at})
        return found.first() is not None


_STALE = text("""
    select mal_id from anime
    where mal_id is not null
      and (synced_at is null
           or synced_at <= case status when 'airing' then cast(:before_airing as timestamptz)
                                       when 'upcoming' then cast(:before_upcoming as timestamptz)
                                       when 'finished' then cast(:before_finished as timestamptz)
                                       else cast(:before_None as timestamptz) end)
      and not exists (select from jobs
                      where key = :kind || ':' || anime.mal_id and jobs.status in ('queued', 'running'))
    order by status is not distinct from 'airing' desc, synced_at nulls first, id
    limit :limit
""")

_CONFIRM = text("""
    update anime set synced_at = :synced_at
    where mal_id = :mal_id and (synced_at is null or synced_at < :synced_at)
    returning id
""")
