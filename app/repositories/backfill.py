"""SQL of the backfill of totals and AniList ids: entries whose title is not in the catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import text

from app.schemas.domain.library import MediaType
from app.utils.db.database import Transaction


@dataclass(frozen=True, slots=True)
class UnknownTotal:
    entry_id: int
    user_id: int
    anilist_id: int | None
    mal_id: int | None


class BackfillRepository:
    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def list_unknown(self, media_type: MediaType, *, after: int, limit: int) -> list[UnknownTotal]:
        """Entries without a catalogue title that lack a total or an AniList id, ordered by id."""
        rows = await self._session.execute(
            text(
                """
                select id, user_id, anilist_id, mal_id from entries
                where media_type = :media_type and anime_id is null and id > :after
                  and (max_progress is null or anilist_id is null)
                  and (anilist_id is not null or mal_id is not null)
                order by id limit :limit
                """
            ),
            {"media_type": media_type, "after": after, "limit": limit},
        )
        return [UnknownTotal(row.id, row.user_id, row.anilist_id, row.mal_id) for row in rows]

    async def fill(self, found: Mapping[int, tuple[int | None, int]]) -> Sequence[int]:
        """Set missing totals and AniList ids, by entry id; returns the ids of the entries that changed.

        A total below the progress is ignored; an AniList id that another entry of the user has is not given
        twice. The caller must hold the locks of the lists.
        """
        rows = [{"id": id_, "total": total, "anilist_id": key} for id_, (total, key) in found.items()]
        changed = await self._session.execute(
            text(
                """
                with given as (
                    select e.id, case when r.total >= e.progress then r.total end as total,
                           case when row_number() over (
                                    partition by e.user_id, e.media_type, r.anilist_id
                                    order by e.anilist_id nulls last, e.id) = 1
                                 and not exists (
                                    select from entries o
                                    where o.user_id = e.user_id and o.media_type = e.media_type
                                      and o.anilist_id = r.anilist_id and o.id <> e.id)
                                then r.anilist_id end as anilist_id
                    from entries e
                    join jsonb_to_recordset(cast(:rows as jsonb)) as r(id bigint, total int, anilist_id int)
                         on r.id = e.id
                    where e.anime_id is null
                )
                update entries e
                set max_progress = coalesce(e.max_progress, r.total),
                    anilist_id = coalesce(e.anilist_id, r.anilist_id), version = e.version + 1,
                    updated_at = greatest(clock_timestamp(), e.updated_at + interval '1 microsecond')
                from given r
                where e.id = r.id
                  and (e.max_progress is null and r.total is not null
                       or e.anilist_id is null and r.anilist_id is not null)
                returning e.id
                """
            ),
            {"rows": orjson.dumps(rows).decode()},
        )
        return list(changed.scalars())
