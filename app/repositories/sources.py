"""SQL of title suggestions: manga by name, and known totals."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.repositories.library.rendering import FROM_ENTRIES, TITLE, TOTAL
from app.schemas.domain.library import MediaType
from app.schemas.domain.sources import Suggestion
from app.utils.db.database import Transaction
from app.utils.text.search_words import search_words


class SourceRepository:
    """Runs in a transaction or, for single reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def find_total(self, user_id: int, title: str, media_type: MediaType) -> int | None:
        """The total of the user's entry with this title."""
        found = await self._connection.execute(
            text(
                f"""
                select {TOTAL} {FROM_ENTRIES}
                where e.user_id = :user_id and e.media_type = :media_type
                  and lower({TITLE}) = lower(:title) and {TOTAL} is not null
                order by e.updated_at desc limit 1
                """
            ),
            {"user_id": user_id, "media_type": media_type, "title": title},
        )
        total: int | None = found.scalar()
        return total

    async def find_manga_total(self, title: str) -> int | None:
        """The chapters of the manga of the catalogue with this name, that of the most readers if several."""
        asked = list(search_words(title))
        if not asked:
            return None
        found = await self._connection.execute(
            text(
                f"""
                select m.chapters from manga m
                where {_has_all(asked)} and m.chapters is not null
                  and exists (select from unnest(array_prepend(m.title, m.names)) as name
                              where title_key(name) = title_key(:title))
                order by m.members desc nulls last, m.id limit 1
                """
            ),
            {"title": title, **_word_values(asked)},
        )
        total: int | None = found.scalar()
        return total

    async def search_manga(self, words: str, *, limit: int) -> list[Suggestion]:
        """Manga whose names contain all the words; exact titles first, then by number of readers."""
        asked = list(search_words(words))
        if not asked:
            return []
        rows = await self._connection.execute(
            text(
                f"""
                select m.id, m.mal_id, m.anilist_id, m.title, m.image_url, m.format, m.chapters from manga m
                where {_has_all(asked)}
                order by lower(m.title) = lower(:words) desc, m.members desc nulls last, m.id limit :limit
                """
            ),
            {"words": words, "limit": limit, **_word_values(asked)},
        )
        return [
            Suggestion(
                id=str(row.id),
                source="catalogue",
                title=row.title,
                media_type="manga",
                cover_url=row.image_url,
                chapters=row.chapters,
                anilist_id=row.anilist_id,
                mal_id=row.mal_id,
                format=row.format,
            )
            for row in rows
        ]


def _has_all(words: Sequence[str]) -> str:
    """The condition that the names of a manga contain all words; see :func:`_word_values`."""
    return " and ".join(f"m.search_text like search_pattern(:word{n})" for n in range(len(words)))


def _word_values(words: Sequence[str]) -> dict[str, str]:
    return {f"word{n}": word for n, word in enumerate(words)}
