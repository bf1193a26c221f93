"""SQL of failed sign-ins: exact sliding windows, shared by all processes and independent of Redis."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, delete, text

from app.models import ThrottleRow
from app.utils.db.database import Transaction

_throttles = cast(Table, ThrottleRow.__table__)

# Rows are always locked in the order of their keys, so that concurrent attempts cannot deadlock.
_BEGIN = text(
    """
    insert into throttles as t (key, failed, pending, expires_at)
    select k.key, '{}', array[cast(:now as timestamptz)],
           cast(:now as timestamptz) + make_interval(secs => k.period)
    from unnest(cast(:keys as text[]), cast(:periods as float8[])) as k (key, period)
    order by k.key
    on conflict (key) do update set
      failed = array(
        select f
        from unnest(
          t.failed || array(select p from unnest(t.pending) p where p <= cast(:stale as timestamptz))
        ) f
        where f > cast(:now as timestamptz) - (excluded.expires_at - cast(:now as timestamptz))
        order by f
      ),
      pending = array(select p from unnest(t.pending) p where p > cast(:stale as timestamptz))
                || cast(:now as timestamptz),
      expires_at = excluded.expires_at
    returning key, failed, cardinality(pending) as pending
    """
)
_END = text(
    """
    with held as (select key from throttles where key = any(cast(:keys as text[])) order by key for update)
    update throttles t set
      pending = array_remove(t.pending, cast(:at as timestamptz)),
      failed = case
        when cast(:failed as boolean) then t.failed || cast(:at as timestamptz)
        when t.key = :cleared then '{}'
        else t.failed
      end
    from held
    where t.key = held.key
    """
)
_LOST_AFTER = timedelta(seconds=10)  # an attempt that never reported its end then counts as failed


@dataclass(frozen=True, slots=True)
class Counted:
    """Failures of a key within its window, oldest first, and the number of attempts in progress."""

    key: str
    failed: Sequence[datetime]
    pending: int


class ThrottleRepository:
    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def begin(self, keys: Sequence[str], periods: Sequence[float], now: datetime) -> dict[str, Counted]:
        """Count an attempt for each key and return the state of the keys; ``periods`` are in seconds."""
        rows = await self._session.execute(
            _BEGIN, {"keys": list(keys), "periods": list(periods), "now": now, "stale": now - _LOST_AFTER}
        )
        return {row.key: Counted(row.key, row.failed, row.pending) for row in rows}

    async def end(self, keys: Sequence[str], at: datetime, *, failed: bool, cleared: str = "") -> None:
        """Finish the attempt that began at this time; failures of the key ``cleared`` are deleted."""
        await self._session.execute(
            _END, {"keys": list(keys), "at": at, "failed": failed, "cleared": cleared}
        )

    async def delete_expired(self, now: datetime) -> None:
        await self._session.execute(delete(_throttles).where(_throttles.c.expires_at <= now))
