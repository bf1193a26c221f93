"""SQL of exports: read through cursors in batches, from one snapshot of the database."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Row, text

from app.repositories.library.rendering import ANILIST_ID, EPISODES, FORMAT, FROM_ENTRIES, MAL_ID, TITLE
from app.repositories.library.states import STATE_COLUMNS, state_of, state_values
from app.repositories.ownership import EXPORTED
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ExportedEntry
from app.utils.db.database import Transaction

_ROWS = 100  # per batch, which blocks the event loop for a few milliseconds
_STATE = ", ".join(f"e.{name}" for name in STATE_COLUMNS)


class ExportRepository:
    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def freeze(self) -> None:
        """Make all statements of the transaction use one snapshot; must be called first."""
        await self._session.execute(text("set transaction isolation level repeatable read, read only"))

    async def count_entries(self, user_id: int, media_type: MediaType | None) -> int:
        found = await self._session.execute(
            text(f"select count(*) from entries e where {_MINE}"),
            {"user_id": user_id, "media_type": media_type},
        )
        return int(found.scalar_one())

    async def stream_entries(
        self, user_id: int, media_type: MediaType | None
    ) -> AsyncIterator[list[ExportedEntry]]:
        """All entries of one type, or of both, ordered by type and title."""
        rows = await self._session.stream(
            text(
                f"""
                select e.media_type, {MAL_ID} as mal_id, {ANILIST_ID} as anilist_id,
                       {TITLE} as shown_title, {FORMAT} as shown_format, {EPISODES} as total, {_STATE}
                {FROM_ENTRIES}
                where {_MINE}
                order by e.media_type, lower({TITLE}), e.id
                """
            ),
            {"user_id": user_id, "media_type": media_type},
        )
        async for some in rows.partitions(_ROWS):
            yield [_entry_of(row) for row in some]

    async def stream_section(self, user_id: int, section: str) -> AsyncIterator[Sequence[str]]:
        """The rows of a section of :data:`EXPORTED`, each as a JSON object."""
        rows = await self._session.stream(EXPORTED[section], {"user_id": user_id})
        async for some in rows.scalars().partitions(_ROWS):
            yield some


_MINE = "e.user_id = :user_id and e.media_type = coalesce(cast(:media_type as text), e.media_type)"


def _entry_of(row: Row[Any]) -> ExportedEntry:
    return ExportedEntry(
        media_type=row.media_type,
        mal_id=row.mal_id,
        anilist_id=row.anilist_id,
        title=row.shown_title,
        format=row.shown_format,
        total=row.total,
        fields=state_values(state_of(row._asdict())),
    )
