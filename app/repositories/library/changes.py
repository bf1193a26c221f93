"""The history of entries: who changed what, when, and how it was before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Row, text

from app.repositories.library.states import snapshot, state_of
from app.repositories.paging import fetch_page
from app.schemas.domain.library import EntryChange, EntryState, Subject
from app.utils.database import Transaction

_CHANGE = "id, entry_id, anime_id, origin, job_id, before, after, changed_at"


@dataclass(frozen=True, slots=True)
class NewChange:
    entry_id: int
    subject: Subject
    before: EntryState | None
    after: EntryState | None


class ChangeRepository:
    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def record_many(
        self, user_id: int, changes: Sequence[NewChange], *, origin: str, job_id: int | None = None
    ) -> None:
        if not changes:
            return
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

    async def list_of_anime(
        self, user_id: int, anime_id: int, *, limit: int, offset: int = 0
    ) -> tuple[list[EntryChange], int]:
        """One page of the changes of whatever entries the person had of the title, newest first, and their
        number."""
        rows, total = await fetch_page(
            self._session,
            select=_CHANGE,
            source="from entry_changes where user_id = :user_id and anime_id = :anime_id",
            order="id desc",
            values={"user_id": user_id, "anime_id": anime_id, "limit": limit, "offset": offset},
        )
        return [_change_of(row) for row in rows], total

    async def list_entries_of_job(self, user_id: int, job_id: int) -> list[int]:
        """The ids of the entries that one import changed, in their order."""
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
        """What one import changed of these entries, newest first."""
        rows = await self._session.execute(
            text(
                f"""
                select {_CHANGE} from entry_changes
                where user_id = :user_id and job_id = :job_id
                  and entry_id = any(cast(:entry_ids as bigint[]))
                order by id desc
                """
            ),
            {"user_id": user_id, "job_id": job_id, "entry_ids": list(entry_ids)},
        )
        return [_change_of(row) for row in rows]

    async def count_of_job(self, user_id: int, job_id: int) -> int:
        """How many changes one job has made."""
        found = await self._session.execute(
            text("select count(*) from entry_changes where user_id = :user_id and job_id = :job_id"),
            {"user_id": user_id, "job_id": job_id},
        )
        return int(found.scalar_one())

    async def list_of_origin(
        self, user_id: int, entry_ids: Sequence[int], *, origin: str
    ) -> list[EntryChange]:
        """What came from one place to the entries, oldest first."""
        rows = await self._session.execute(
            text(
                f"""
                select {_CHANGE} from entry_changes
                where user_id = :user_id and entry_id = any(cast(:entry_ids as bigint[]))
                  and origin = :origin
                order by id
                """
            ),
            {"user_id": user_id, "entry_ids": list(entry_ids), "origin": origin},
        )
        return [_change_of(row) for row in rows]


def _row(change: NewChange) -> dict[str, Any]:
    subject = change.subject
    return {
        "entry_id": change.entry_id,
        "anime_id": subject.anime_id,
        "before": change.before and snapshot(subject, change.before),
        "after": change.after and snapshot(subject, change.after),
    }


def _change_of(row: Row[Any]) -> EntryChange:
    known = row.after or row.before
    return EntryChange(
        id=row.id,
        entry_id=row.entry_id,
        subject=Subject(
            media_type=known["media_type"],
            anime_id=known["anime_id"],
            mal_id=known["mal_id"],
            anilist_id=known["anilist_id"],
        ),
        origin=row.origin,
        job_id=row.job_id,
        before=None if row.before is None else state_of(row.before),
        after=None if row.after is None else state_of(row.after),
        changed_at=row.changed_at,
    )
