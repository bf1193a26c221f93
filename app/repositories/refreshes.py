"""SQL that finds stale titles, and records refreshes without changes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.schemas.domain.anime import Status
from app.schemas.jobs import SyncAnime
from app.utils.db.database import Transaction


class RefreshRepository:
    """Runs in a transaction or, for reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def list_stale(self, stale_before: Mapping[Status | None, datetime], *, limit: int) -> list[int]:
        """MyAnimeList ids of titles last synced before the limit for their status, unless queued already.

        Airing titles come first, then those never synced, then the oldest.
        """
        parameters: dict[str, Any] = {f"before_{status}": at for status, at in stale_before.items()}
        parameters["latest"] = max(stale_before.values())
        found = await self._connection.execute(_STALE, {**parameters, "kind": SyncAnime.name, "limit": limit})
        return list(found.scalars())

    async def touch(self, mal_id: int, *, synced_at: datetime) -> None:
        """Update only ``synced_at`` of a stored title, if there is one."""
        await self._connection.execute(_CONFIRM, {"mal_id": mal_id, "synced_at": synced_at})


_QUEUED = """
    exists (select from jobs where key = :kind || ':' || a.mal_id and jobs.status in ('queued', 'running'))
"""
# Each of the three subqueries scans an index (status, id, time) and stops at its limit.
_STALE = text(f"""
    select mal_id from (
        (select a.mal_id, 1 as turn, s.synced_at, a.id
         from anime a
         left join lateral (select synced_at from anime_syncs where anime_id = a.id offset 0) s on true
         where a.mal_id is not null and a.status = 'airing'
           and (s.synced_at is null or s.synced_at <= :before_airing) and not {_QUEUED}
         order by s.synced_at nulls first, a.id limit :limit)
        union all
        (select a.mal_id, 2, null, a.id
         from anime a
         where a.mal_id is not null and a.status is distinct from 'airing'
           and not exists (select from anime_syncs s where s.anime_id = a.id) and not {_QUEUED}
         order by a.id limit :limit)
        union all
        (select a.mal_id, 2, s.synced_at, a.id
         from anime_syncs s join anime a on a.id = s.anime_id
         where a.mal_id is not null and a.status is distinct from 'airing' and s.synced_at <= :latest
           and s.synced_at <= case a.status when 'upcoming' then cast(:before_upcoming as timestamptz)
                                            when 'finished' then cast(:before_finished as timestamptz)
                                            else cast(:before_None as timestamptz) end
           and not {_QUEUED}
         order by s.synced_at, a.id limit :limit)
    ) as stale
    order by turn, synced_at nulls first, id
    limit :limit
""")

_CONFIRM = text("""
    insert into anime_syncs (anime_id, synced_at)
    select id, :synced_at from anime where mal_id = :mal_id
    on conflict (anime_id) do update set synced_at = excluded.synced_at
    where anime_syncs.synced_at < excluded.synced_at
""")
