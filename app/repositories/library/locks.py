"""Locks that serialise the writers of a list."""

from collections.abc import Iterable

from sqlalchemy import text

from app.utils.db.database import Transaction

LIST_LOCK = 0x4C697374  # first key of the advisory locks, an arbitrary number


async def lock_lists(tx: Transaction, user_ids: Iterable[int]) -> dict[int, str]:
    """Lock the lists of these users for writing until the transaction ends; returns each user's time zone.

    Timestamps then grow in commit order, so that a client that asks for changes since the last one it saw
    misses none.
    """
    rows = await tx.session.execute(
        text(
            """
            select user_id, pg_advisory_xact_lock(:kind, user_id),
                   (select timezone from users where id = user_id) as timezone
            from unnest(cast(:user_ids as int[])) as user_id
            """
        ),
        {"kind": LIST_LOCK, "user_ids": sorted(set(user_ids))},
    )
    return {row.user_id: row.timezone or "UTC" for row in rows}
