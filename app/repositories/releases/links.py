"""SQL of links between releases and anime."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.utils.db.database import Transaction

_UNLINKED = """
    select id, external_id, name_ru, name_en, name_alternative, year, type, episodes_total from releases
    where anime_id is null and (link_tried_at is null or link_tried_at < :before)
    order by year nulls last, id limit :limit
"""
_CANDIDATES = """
    select id, title, title_english, title_russian, synonyms, year, type, episodes from anime
    where year is null or cast(:years as int[]) is null or year = any(:years)
"""


class LinkRepository:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def list_unlinked(self, *, before: datetime, limit: int) -> list[Row[Any]]:
        """Releases without an anime that were not tried since ``before``, ordered by year."""
        return list(await self._connection.execute(text(_UNLINKED), {"before": before, "limit": limit}))

    async def list_candidates(self, years: Collection[int] | None) -> list[Row[Any]]:
        """Anime of these years, and those of unknown year; None means all years."""
        parameters = {"years": None if years is None else sorted(years)}
        return list(await self._connection.execute(text(_CANDIDATES), parameters))


async def note_links(
    tx: Transaction, tried: Collection[int], links: Mapping[int, tuple[int, float]], *, at: datetime
) -> None:
    """Record that linking these releases was tried, and the anime and confidence of those that matched."""
    statement = text("update releases set link_tried_at = :at where id = any(:ids)")
    await tx.session.execute(statement, {"ids": sorted(tried), "at": at})
    statement = text(
        """
        update releases r set anime_id = a.id, link_confidence = l.confidence
        from unnest(cast(:ids as int[]), cast(:anime_ids as int[]), cast(:confidences as double precision[]))
             as l(id, anime_id, confidence) join anime a on a.id = l.anime_id
        where r.id = l.id
        """
    )
    await tx.session.execute(
        statement,
        {
            "ids": list(links),
            "anime_ids": [anime_id for anime_id, _ in links.values()],
            "confidences": [confidence for _, confidence in links.values()],
        },
    )
