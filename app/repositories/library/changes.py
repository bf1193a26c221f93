"""The history of entries: who changed what and when, and the state before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Row, text

from app.repositories.library.states import difference, snapshot, state_of
from app.schemas.domain.library import EntryChange, EntryState, HistoryLine, Subject
from app.schemas.events import EntryChanged
from app.utils.db.database import Transaction

# The newest change of each entry comes with the current row of the entry.
_CHANGES = """
    select c.id, c.entry_id, c.anime_id, c.origin, c.job_id, c.before, c.after, c.changed_at,
           case when row_number() over (partition by c.entry_id order by c.id desc) = 1
                then (select to_jsonb(e) from entries e where e.id = c.entry_id) end as stored
    from entry_changes c
"""

_NAMED = 100  # entry ids in one event; an event for more entries has none


@dataclass(frozen=True, slots=True)
class NewChange:
    """A change to record; ``created_at`` is the creation time of a deleted entry, restored by an undo."""

    entry_id: int
    subject: Subject
    before: EntryState | None
    after: EntryState | None
    created_at: datetime | None = None


class ChangeRepository:
    """Rows store only the changed fields; earlier states are computed backwards from the current entry."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._session = tx.session

    async def record_many(
        self, user_id: int, changes: Sequence[NewChange], *, origin: str, job_id: int | None = None
    ) -> None:
        if not changes:
            return
        few = tuple(change.entry_id for change in changes) if len(changes) <= _NAMED else ()
        self._tx.emit(EntryChanged(user_id, few, origin))
        await self._session.execute(
            text(
                """
                insert into entry_changes
                    (user_id, entry_id, anime_id, origin, job_id, before, after, changed_at)
                select :user_id, entry_id, anime_id, :origin, :job_id, before, after, clock_timestamp()
                from jsonb_to_recordset(cast(:rows as jsonb))
                     as r(entry_id bigint, anime_id int, before jsonb, after jsonb)
                """
            ),
            {
                "user_id": user_id,
                "origin": origin,
                "job_id": job_id,
                "rows": orjson.dumps([_row(change) for change in changes]).decode(),
            },
        )

    async def list_of_entry(
        self, user_id: int, *, anime_id: int | None, entry_id: int | None, limit: int, offset: int = 0
    ) -> tuple[list[EntryChange], int]:
        """One page of the changes of one entry, newest first, and their total number.

        With ``anime_id``: the changes of every entry that the user has had for the title.
        """
        column = "entry_id" if anime_id is None else "anime_id"
        value = entry_id if anime_id is None else anime_id
        rows = await self._session.execute(
            text(
                f"""
                select *, (select count(*) from entry_changes
                           where user_id = :user_id and {column} = :value) as total
                from ({_CHANGES} where c.user_id = :user_id and c.{column} = :value
                      order by c.id desc limit :until) newest
                order by id desc
                """
            ),
            {"user_id": user_id, "value": value, "until": offset + limit},
        )
        found = rows.all()
        return _replayed(found)[offset:], found[0].total if found else 0

    async def list_newest(
        self, user_id: int, *, limit: int, offset: int = 0
    ) -> tuple[list[HistoryLine], int]:
        """One page of the changes of a list, newest first, and the total number; without changes by jobs."""
        rows = await self._session.execute(
            text(
                """
                select c.id, c.entry_id, c.anime_id, c.origin, c.before, c.after, c.changed_at,
                       coalesce(a.title, e.title, c.after ->> 'title', c.before ->> 'title') as title,
                       coalesce(a.image_url, e.cover_url) as image_url
                from (select * from entry_changes where user_id = :user_id and job_id is null
                      order by id desc limit :limit offset :offset) c
                left join anime a on a.id = c.anime_id
                left join entries e on e.id = c.entry_id
                order by c.id desc
                """
            ),
            {"user_id": user_id, "limit": limit, "offset": offset},
        )
        lines = [HistoryLine(**row) for row in rows.mappings()]
        total = await self._session.execute(
            text("select count(*) from entry_changes where user_id = :user_id and job_id is null"),
            {"user_id": user_id},
        )
        return lines, int(total.scalar_one())

    async def list_entries_of_job(self, user_id: int, job_id: int) -> list[int]:
        """The ids of the entries that one import changed, in ascending order."""
        rows = await self._session.execute(
            text(
                """
                select distinct entry_id from entry_changes
                where user_id = :user_id and job_id = :job_id order by entry_id
                """
            ),
            {"user_id": user_id, "job_id": job_id},
        )
        return list(rows.scalars())

    async def list_of_job(self, user_id: int, job_id: int, entry_ids: Sequence[int]) -> list[EntryChange]:
        """The changes of these entries by one import, newest first."""
        changes = await self._list_since_first(
            "user_id = :user_id and job_id = :job_id and entry_id = any(cast(:entry_ids as bigint[]))",
            {"user_id": user_id, "job_id": job_id, "entry_ids": list(entry_ids)},
        )
        return [change for change in changes if change.job_id == job_id]

    async def count_of_job(self, user_id: int, job_id: int) -> int:
        """The number of changes made by one job."""
        found = await self._session.execute(
            text("select count(*) from entry_changes where user_id = :user_id and job_id = :job_id"),
            {"user_id": user_id, "job_id": job_id},
        )
        return int(found.scalar_one())

    async def list_of_origin(
        self, user_id: int, entry_ids: Sequence[int], *, origin: str
    ) -> list[EntryChange]:
        """The changes of these entries with this origin, oldest first."""
        changes = await self._list_since_first(
            "user_id = :user_id and entry_id = any(cast(:entry_ids as bigint[])) and origin = :origin",
            {"user_id": user_id, "entry_ids": list(entry_ids), "origin": origin},
        )
        return [change for change in reversed(changes) if change.origin == origin]

    async def delete_old(self, *, after_user: int, users: int, keep: int, older: timedelta) -> int | None:
        """For the next ``users`` users by id, delete older changes beyond the newest ``keep`` of each entry.

        Returns the id of the last of these users, or None if there are no more.
        """
        found = await self._session.execute(
            text("select max(id) from (select id from users where id > :after order by id limit :users) u"),
            {"after": after_user, "users": users},
        )
        until: int | None = found.scalar()
        await self._session.execute(
            text(
                """
                delete from entry_changes c
                using (
                    select user_id, entry_id from entry_changes where user_id > :after and user_id <= :until
                    group by user_id, entry_id having count(*) > :keep
                ) long
                where c.user_id = long.user_id and c.entry_id = long.entry_id
                  and c.changed_at < now() - cast(:older as interval)
                  and c.id <= (select id from entry_changes k
                               where k.user_id = long.user_id and k.entry_id = long.entry_id
                               order by id desc offset :keep limit 1)
                """
            ),
            {"after": after_user, "until": until, "keep": keep, "older": older},
        )
        return until

    async def _list_since_first(self, condition: str, values: dict[str, Any]) -> list[EntryChange]:
        """All changes of the entries that have one meeting ``condition``, newest first.

        They start at the first change that meets it, since states are reconstructed backwards from the
        newest.
        """
        rows = await self._session.execute(
            text(
                f"""
                with matched as materialized (select id, entry_id from entry_changes where {condition})
                {_CHANGES}
                where c.user_id = :user_id and c.entry_id in (select entry_id from matched)
                  and c.id >= (select min(id) from matched)
                order by c.id desc
                """
            ),
            values,
        )
        return _replayed(rows.all())


def _row(change: NewChange) -> dict[str, Any]:
    before, after = sides(change)
    return {
        "entry_id": change.entry_id,
        "anime_id": change.subject.anime_id,
        "before": before,
        "after": after,
    }


def sides(change: NewChange) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The JSON to store for the entry before and after the change."""
    subject, before, after = change.subject, change.before, change.after
    if before is not None and after is not None:
        return difference(before, after)
    old = None if before is None else snapshot(subject, before)
    if old is not None and change.created_at is not None:
        old["created_at"] = change.created_at
    return old, None if after is None else snapshot(subject, after)


def _replayed(rows: Sequence[Row[Any]]) -> list[EntryChange]:
    """The changes with complete states; ``rows``, newest first, must lack no change of an entry."""
    entries: dict[int, dict[str, Any]] = {}
    return [_change_of(row, entries) for row in rows]


def _change_of(row: Row[Any], entries: dict[int, dict[str, Any]]) -> EntryChange:
    """Build one change; ``entries`` has each entry's state after it, and gets the state before it."""
    created_at = None
    known = row.stored or entries.get(row.entry_id) or row.before
    before = row.before
    if before is not None:
        # a complete one is a deletion, or was written before only differences were stored
        before = before if "media_type" in before else {**known, **before}
        entries[row.entry_id] = before
        if row.after is None and "created_at" in before:
            created_at = datetime.fromisoformat(before["created_at"])
    return EntryChange(
        id=row.id,
        entry_id=row.entry_id,
        subject=Subject(
            media_type=known["media_type"],
            anime_id=row.anime_id,
            mal_id=known["mal_id"],
            anilist_id=known["anilist_id"],
        ),
        origin=row.origin,
        job_id=row.job_id,
        before=None if before is None else state_of(before),
        after=None if row.after is None else state_of(known),
        changed_at=row.changed_at,
        created_at=created_at,
    )
