"""Locks that serialise the writers of a list."""

from collections.abc import Iterable

from sqlalchemy import text

from app.utils.db.database import Transaction

LIST_LOCK = 0x4C697374  # first key of the advisory locks, an arbitrary number


async def lock_lists(tx: Transaction, user_ids: Iterable[int]) -> dict[int, str]:
    """Wait for other writers of these persons' lists, and let them wait until the transaction ends.

    So what is committed later is stamped later, and whoever asks for the changes since the last one that
    was seen misses none. Answers the time zone of each person.
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
