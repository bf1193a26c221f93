"""SQL of the backfill: entries whose title only the person knows, and what AniList says of it."""

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
        """Entries that no catalogue title belongs to, without a total or without AniList's id, by their ids."""
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
        """Give entries, by id, the total and AniList's id where they have none; answers those that changed.

        A total below what was seen is none. The lists are locked.
        """
        rows = [{"id": id_, "total": total, "anilist_id": key} for id_, (total, key) in found.items()]
        changed = await self._session.execute(
            text(
                """
                update entries e
                set max_progress = coalesce(e.max_progress, case when r.total >= e.progress then r.total end),
                    anilist_id = coalesce(e.anilist_id, r.anilist_id), version = e.version + 1,
                    updated_at = greatest(clock_timestamp(), e.updated_at + interval '1 microsecond')
                from jsonb_to_recordset(cast(:rows as jsonb)) as r(id bigint, total int, anilist_id int)
                where e.id = r.id and e.anime_id is null
                  and (e.max_progress is null and r.total >= e.progress or e.anilist_id is null)
                returning e.id
                """
            ),
            {"rows": orjson.dumps(rows).decode()},
        )
        return list(changed.scalars())
