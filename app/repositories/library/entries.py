"""Reads and writes of entries, single or thousands at a time; each method is one statement."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import orjson
from sqlalchemy import Row, text

from app.repositories.library.rendering import ANILIST_ID, COVER, FROM_ENTRIES, MAL_ID, TITLE
from app.repositories.library.states import OMITTED_DEFAULTS, STATE_COLUMNS, snapshot, state_of, state_values
from app.schemas.domain.library import Entry, EntryState, Subject
from app.schemas.events import EntryChanged
from app.utils.db.database import Transaction

_RECORD = ", ".join(f"{name} {kind}" for name, kind in STATE_COLUMNS.items())
_COLUMNS = ", ".join(STATE_COLUMNS)
_VALUES = ", ".join(
    f"coalesce({name}, {OMITTED_DEFAULTS[name]})" if name in OMITTED_DEFAULTS else name
    for name in STATE_COLUMNS
)
ENTRY = ", ".join(
    f"e.{name}" for name in ("id", "user_id", "version", "created_at", "updated_at", *STATE_COLUMNS)
)
ENTRY += ", coalesce(e.progress_changed_at, e.updated_at) as progress_changed_at"
_SUBJECTS = """
    select id, mal_id, anilist_id, title, image_url, score, type, episodes,
           status is not distinct from 'finished'
    from anime where id = any($1::int[]) or mal_id = any($2::int[]) or anilist_id = any($3::int[])
"""
_INSERT_RECORDED = f"""
    with given as materialized (
        select nextval('entries_id_seq') as id, r.*
        from jsonb_to_recordset($4::text::jsonb)
             as r(media_type text, anime_id int, mal_id int, anilist_id int, {_RECORD})
    ), added as (
        insert into entries (id, user_id, media_type, anime_id, mal_id, anilist_id, {_COLUMNS})
        select id, $1, media_type, anime_id, case when anime_id is null then mal_id end,
               case when anime_id is null then anilist_id end, {_VALUES}
        from given on conflict do nothing
        returning id, anime_id, media_type, status, progress
    ), revived as (
        delete from entry_tombstones t using added where t.user_id = $1 and t.anime_id = added.anime_id
    )
    insert into entry_changes (user_id, entry_id, anime_id, origin, job_id, after, changed_at)
    select $1, id, anime_id, $2, $3,
           jsonb_build_object('media_type', media_type, 'status', status, 'progress', progress),
           clock_timestamp()
    from added order by id
"""
_STAMPS = ("version", "updated_at", "progress_changed_at")
_NOW: Mapping[int, datetime] = MappingProxyType({})
_MOVED = "(e.status, e.progress, e.is_rewatching) is distinct from (r.status, r.progress, r.is_rewatching)"
# The SET clause of an edit; ``r`` has the new state and ``moved_at``.
NEXT_STATE = f"""
    {", ".join(f"{name} = r.{name}" for name in STATE_COLUMNS)}, version = e.version + 1,
    progress_changed_at = greatest(
        coalesce(e.progress_changed_at, e.updated_at),
        case when {_MOVED} then coalesce(r.moved_at, clock_timestamp()) end),
    updated_at = greatest(clock_timestamp(), e.updated_at + interval '1 microsecond')
"""
SUBJECT = f"""
    e.media_type, e.anime_id, {MAL_ID} as mal_id, {ANILIST_ID} as anilist_id, {TITLE} as shown_title,
    {COVER} as image_url, a.score as anime_score, a.type as anime_type, a.episodes,
    a.status = 'finished' as is_finished
"""


@dataclass(frozen=True, slots=True)
class NewEntry:
    """``moved_at`` is when its progress was reached; None for now."""

    subject: Subject
    state: EntryState
    moved_at: datetime | None = None


class EntryRepository:
    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._session = tx.session

    async def list_for_update(
        self, user_id: int, *, anime_ids: Sequence[int] = (), entry_ids: Sequence[int] = ()
    ) -> list[Entry]:
        """The user's entries among those requested, locked in the order of their ids."""
        rows = await self._session.execute(
            text(
                f"""
                select {ENTRY}, {SUBJECT}
                {FROM_ENTRIES}
                where e.user_id = :user_id
                  and (e.anime_id = any(cast(:anime_ids as int[]))
                       or e.id = any(cast(:entry_ids as bigint[])))
                order by e.id
                for update of e
                """
            ),
            {"user_id": user_id, "anime_ids": list(anime_ids), "entry_ids": list(entry_ids)},
        )
        return [entry_of(row) for row in rows]

    async def list_like(
        self,
        user_id: int,
        subjects: Sequence[Subject],
        *,
        titles: Collection[str] = (),
        kitsu_ids: Collection[str] = (),
    ) -> list[Entry]:
        """The user's entries of any of the titles, matched by any id, locked.

        Entries without a MyAnimeList id also match by name (``titles``, case-insensitive) or by the
        ``kitsu_ids`` they were imported with.
        """
        rows = await self._session.execute(
            text(
                f"""
                select {ENTRY}, {SUBJECT}
                {FROM_ENTRIES}
                where e.user_id = :user_id
                  and (e.anime_id = any(cast(:anime_ids as int[]))
                       or e.anime_id is null and (
                           e.mal_id = any(cast(:mal_ids as int[]))
                           or e.anilist_id = any(cast(:anilist_ids as int[]))
                           or e.mal_id is null and (
                               lower(e.title) = any(cast(:titles as text[]))
                               or e.carried -> 'kitsu' ->> 'id' = any(cast(:kitsu_ids as text[])))))
                order by e.id
                for update of e
                """
            ),
            {
                "user_id": user_id,
                "anime_ids": _numbers([subject.anime_id for subject in subjects]),
                "mal_ids": _numbers([subject.mal_id for subject in subjects]),
                "anilist_ids": _numbers([subject.anilist_id for subject in subjects]),
                "titles": sorted({fold(title) for title in titles for fold in (str.lower, str.casefold)}),
                "kitsu_ids": list(kitsu_ids),
            },
        )
        return [entry_of(row) for row in rows]

    async def find(
        self, user_id: int, *, anime_id: int | None = None, entry_id: int | None = None
    ) -> Entry | None:
        row = (
            await self._session.execute(
                text(
                    f"""
                    select {ENTRY}, {SUBJECT}
                    {FROM_ENTRIES}
                    where e.user_id = :user_id and (e.anime_id = :anime_id or e.id = :entry_id)
                    """
                ),
                {"user_id": user_id, "anime_id": anime_id, "entry_id": entry_id},
            )
        ).first()
        return None if row is None else entry_of(row)

    async def subjects(
        self, *, anime_ids: Iterable[int] = (), mal_ids: Iterable[int] = (), anilist_ids: Iterable[int] = ()
    ) -> list[Subject]:
        """The catalogue titles among those requested, by any of their ids."""
        driver = await self._tx.driver()
        rows = await driver.fetch(_SUBJECTS, list(anime_ids), list(mal_ids), list(anilist_ids))
        return [
            Subject(
                media_type="anime",
                anime_id=anime_id,
                mal_id=mal_id,
                anilist_id=anilist_id,
                title=title,
                image_url=image_url,
                score=score,
                format=form,
                total=total,
                is_finished=is_finished,
            )
            for anime_id, mal_id, anilist_id, title, image_url, score, form, total, is_finished in rows
        ]

    async def insert_many(self, user_id: int, news: Sequence[NewEntry]) -> dict[int, Entry]:
        """Add entries; returns, by position, those that were not on the list already."""
        if not news:
            return {}
        rows = await self._session.execute(
            text(
                f"""
                with given as (
                    select nextval('entries_id_seq') as id, r.*
                    from jsonb_to_recordset(cast(:rows as jsonb)) as r(
                        position int, media_type text, anime_id int, mal_id int, anilist_id int,
                        moved_at timestamptz, {_RECORD})
                ), added as (
                    insert into entries (id, user_id, media_type, anime_id, mal_id, anilist_id,
                                         progress_changed_at, {_COLUMNS})
                    select id, :user_id, media_type, anime_id, mal_id, anilist_id,
                           coalesce(moved_at, statement_timestamp()), {_COLUMNS} from given
                    on conflict do nothing
                    returning id, version, created_at, updated_at, progress_changed_at, anime_id
                ), revived as (
                    delete from entry_tombstones t using added
                    where t.user_id = :user_id and t.anime_id = added.anime_id
                )
                select given.position, added.*
                from added join given using (id)
                """
            ),
            {"user_id": user_id, "rows": _json([_new_row(i, new) for i, new in enumerate(news)])},
        )
        return {row.position: _added_entry(row, user_id, news[row.position]) for row in rows}

    async def insert_recorded(
        self, user_id: int, news: Sequence[NewEntry], *, origin: str, job_id: int
    ) -> None:
        """Add entries that are not on the list yet, each with its history row, in one statement.

        The history row holds only status and progress: earlier states are reconstructed from the current
        entry.
        """
        if news:
            self._tx.emit(EntryChanged(user_id, (), origin))
            rows = _json([snapshot(new.subject, new.state) for new in news])
            await (await self._tx.driver()).execute(_INSERT_RECORDED, user_id, origin, job_id, rows)

    async def update_many(
        self, states: Mapping[int, EntryState], *, moved_at: Mapping[int, datetime] = _NOW
    ) -> dict[int, dict[str, Any]]:
        """Set the new state of each entry; returns the new ``version`` and timestamps by id.

        ``moved_at`` is when an entry's new progress was reached, if not now.
        """
        if not states:
            return {}
        rows = await self._session.execute(
            text(
                f"""
                update entries e
                set {NEXT_STATE}
                from jsonb_to_recordset(cast(:rows as jsonb))
                     as r(id bigint, moved_at timestamptz, {_RECORD})
                where e.id = r.id
                returning e.id, {", ".join(f"e.{name}" for name in _STAMPS)}
                """
            ),
            {
                "rows": _json(
                    [
                        {"id": id_, "moved_at": moved_at.get(id_), **state_values(state)}
                        for id_, state in states.items()
                    ]
                )
            },
        )
        return {row.id: {name: getattr(row, name) for name in _STAMPS} for row in rows}

    async def delete_many(self, entry_ids: Sequence[int]) -> None:
        """Delete entries, leaving a tombstone for each."""
        await self._session.execute(
            text(
                """
                with gone as (
                    delete from entries where id = any(cast(:ids as bigint[]))
                    returning id, user_id, media_type, anime_id, version
                )
                insert into entry_tombstones (entry_id, user_id, media_type, anime_id, version, deleted_at)
                select id, user_id, media_type, anime_id, version, clock_timestamp() from gone
                """
            ),
            {"ids": list(entry_ids)},
        )

    async def was_deleted_since(self, user_id: int, anime_id: int, since: datetime) -> bool:
        """Whether the user deleted the title at ``since`` or later and has not added it again."""
        found = await self._session.execute(
            text(
                """
                select exists (select from entry_tombstones
                               where user_id = :user_id and anime_id = :anime_id and deleted_at >= :since)
                """
            ),
            {"user_id": user_id, "anime_id": anime_id, "since": since},
        )
        return bool(found.scalar())

    async def reinsert(
        self, user_id: int, entry_id: int, new: NewEntry, *, created_at: datetime | None
    ) -> bool:
        """Put a deleted entry back under its old id; False if its title is on the list again.

        ``created_at`` None means the time of the first change in its history. Its version continues above any
        earlier one, so that old ETags stay invalid.
        """
        result = await self._session.execute(
            text(
                f"""
                with added as (
                    insert into entries
                        (id, version, created_at, user_id, media_type, anime_id, mal_id, anilist_id,
                         {_COLUMNS})
                    select :id,
                           1 + greatest((select count(*) from entry_changes
                                         where user_id = :user_id and entry_id = :id),
                                        (select version from entry_tombstones where entry_id = :id)),
                           coalesce(cast(:at as timestamptz),
                                    (select min(changed_at) from entry_changes
                                     where user_id = :user_id and entry_id = :id),
                                    statement_timestamp()),
                           :user_id, media_type, anime_id, mal_id, anilist_id, {_COLUMNS}
                    from jsonb_to_recordset(cast(:rows as jsonb)) as r(
                        media_type text, anime_id int, mal_id int, anilist_id int, {_RECORD})
                    on conflict do nothing returning id, anime_id
                ), revived as (
                    delete from entry_tombstones t using added
                    where t.user_id = :user_id and (t.entry_id = added.id or t.anime_id = added.anime_id)
                )
                select count(*) from added
                """
            ),
            {"id": entry_id, "user_id": user_id, "at": created_at, "rows": _json([_new_row(0, new)])},
        )
        return bool(result.scalar())


def entry_of(row: Row[Any]) -> Entry:
    """An entry from a row of ``ENTRY`` and ``SUBJECT``."""
    return entry_from(row._asdict())


def entry_from(values: Mapping[str, Any]) -> Entry:
    """An entry from the values of such a row, by column name."""
    return Entry(
        id=values["id"],
        user_id=values["user_id"],
        version=values["version"],
        subject=Subject(
            media_type=values["media_type"],
            anime_id=values["anime_id"],
            mal_id=values["mal_id"],
            anilist_id=values["anilist_id"],
            title=values["shown_title"],
            image_url=values["image_url"],
            score=values["anime_score"],
            format=values["anime_type"],
            total=values["episodes"],
            is_finished=bool(values["is_finished"]),
        ),
        state=state_of(values),
        created_at=values["created_at"],
        updated_at=values["updated_at"],
        progress_changed_at=values["progress_changed_at"],
    )


def _added_entry(row: Row[Any], user_id: int, new: NewEntry) -> Entry:
    return Entry(
        id=row.id,
        user_id=user_id,
        version=row.version,
        subject=new.subject,
        state=new.state,
        created_at=row.created_at,
        updated_at=row.updated_at,
        progress_changed_at=row.progress_changed_at,
    )


def _new_row(position: int, new: NewEntry) -> dict[str, Any]:
    subject = new.subject
    linked = subject.anime_id is not None
    return {
        "position": position,
        "media_type": subject.media_type,
        "anime_id": subject.anime_id,
        # a linked entry uses the ids of its title; a copy could become stale
        "mal_id": None if linked else subject.mal_id,
        "anilist_id": None if linked else subject.anilist_id,
        "moved_at": new.moved_at,
        **state_values(new.state),
    }


def _json(rows: list[dict[str, Any]]) -> str:
    return orjson.dumps(rows).decode()


def _numbers(values: Iterable[int | None]) -> list[int]:
    return [value for value in set(values) if value is not None]
