"""Entries without a catalogue title whose title the catalogue now has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import text

from app.repositories.library.entries import ENTRY, SUBJECT, entry_of
from app.repositories.library.rendering import FROM_ENTRIES
from app.schemas.domain.library import Entry
from app.utils.db.database import Transaction


@dataclass(frozen=True, slots=True)
class Match:
    """An entry, its user, and the title to link it to."""

    entry_id: int
    user_id: int
    anime_id: int


class MatchRepository:
    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def list_found(self, *, limit: int) -> list[Match]:
        """Unmatched entries whose title is in the catalogue, and not on the user's list already."""
        rows = await self._session.execute(
            text(
                """
                select distinct on (user_id, anime_id) id, user_id, anime_id
                from (
                    select e.id, e.user_id, coalesce(
                        (select a.id from anime a where a.mal_id = e.mal_id),
                        (select a.id from anime a where a.anilist_id = e.anilist_id)) as anime_id
                    from entries e where e.anime_id is null and e.media_type = 'anime'
                ) unmatched
                where anime_id is not null and not exists (
                    select from entries o
                    where o.user_id = unmatched.user_id and o.anime_id = unmatched.anime_id)
                order by user_id, anime_id, id
                limit :limit
                """
            ),
            {"limit": limit},
        )
        return [Match(row.id, row.user_id, row.anime_id) for row in rows]

    async def list_of_titles(self, user_id: int, anime_ids: Sequence[int]) -> list[Match]:
        """The user's unmatched entries of these titles."""
        rows = await self._session.execute(
            text(
                """
                select distinct on (a.id) e.id, a.id as anime_id
                from anime a join entries e
                  on e.user_id = :user_id and e.media_type = 'anime' and e.anime_id is null
                     and (e.mal_id = a.mal_id or e.anilist_id = a.anilist_id)
                where a.id = any(cast(:anime_ids as int[]))
                order by a.id, e.id
                """
            ),
            {"user_id": user_id, "anime_ids": list(anime_ids)},
        )
        return [Match(row.id, user_id, row.anime_id) for row in rows]

    async def list_for_update(self, found: Sequence[Match]) -> list[Entry]:
        """Lock the entries, and return those that can still be linked."""
        rows = await self._session.execute(
            text(
                f"""
                select {ENTRY}, {SUBJECT} {FROM_ENTRIES}
                join unnest(cast(:ids as bigint[]), cast(:anime_ids as int[])) as m(entry_id, anime_id)
                  on m.entry_id = e.id
                where e.anime_id is null and not exists (
                    select from entries o where o.user_id = e.user_id and o.anime_id = m.anime_id)
                order by e.id for update of e
                """
            ),
            {"ids": [one.entry_id for one in found], "anime_ids": [one.anime_id for one in found]},
        )
        return [entry_of(row) for row in rows]

    async def link(self, titles: Mapping[int, int]) -> None:
        """Link the entries and their history to the titles."""
        rows = [{"id": entry_id, "anime_id": anime_id} for entry_id, anime_id in titles.items()]
        await self._session.execute(
            text(
                """
                with linked as (
                    update entries e set anime_id = r.anime_id, mal_id = null, anilist_id = null
                    from jsonb_to_recordset(cast(:rows as jsonb)) as r(id bigint, anime_id int)
                    where e.id = r.id returning e.id, e.user_id, e.anime_id
                ), revived as (
                    delete from entry_tombstones t using linked l
                    where t.user_id = l.user_id and t.anime_id = l.anime_id
                )
                update entry_changes c set anime_id = l.anime_id
                from linked l where c.user_id = l.user_id and c.entry_id = l.id
                """
            ),
            {"rows": orjson.dumps(rows).decode()},
        )
