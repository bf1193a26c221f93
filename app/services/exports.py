"""A person's list as a file."""

import asyncio

from app.external.lists import write_csv, write_json, write_mal_xml
from app.repositories.library import EntryPages
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ExportedEntry, ExportFormat
from app.utils.database import Database


class ExportService:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def write(
        self, user_id: int, username: str, *, file_format: ExportFormat, media_type: MediaType
    ) -> bytes:
        """The list, by title; the MAL file holds scores as whole numbers, the others as they are."""
        async with self._db.reader() as connection:
            entries = await EntryPages(connection).list_exported(user_id, media_type)
        return await asyncio.to_thread(_written, entries, username, file_format, media_type)


def _written(
    entries: list[ExportedEntry], username: str, file_format: ExportFormat, media_type: MediaType
) -> bytes:
    if file_format == "mal_xml":
        return write_mal_xml(entries, media_type, username)
    return write_json(entries) if file_format == "json" else write_csv(entries)
