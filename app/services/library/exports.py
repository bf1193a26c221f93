"""Exports: a user's list as a file, or all data of the account."""

from app.errors import NotFound
from app.external.list_files import CsvWriter, JsonWriter, ListWriter, MalXmlWriter
from app.repositories.exports import ExportRepository
from app.repositories.ownership import EXPORTED
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ExportFormat
from app.services.library.downloads import Downloads
from app.utils.db.database import Database, Transaction
from app.utils.spool import Spool

_ACCOUNT = "account"  # the only section that is a single object


class ExportService:
    def __init__(self, db: Database, downloads: Downloads) -> None:
        self._db = db
        self._downloads = downloads

    async def write_list(
        self, user_id: int, username: str, *, file_format: ExportFormat, media_type: MediaType | None
    ) -> Spool:
        """The list ordered by title.

        Without ``media_type`` both types, except in a MyAnimeList file, which holds only one. Scores are
        rounded to whole numbers in a MyAnimeList file only. Raises ``RateLimited``.
        """
        if file_format == "mal_xml":
            media_type = media_type or "anime"
        writer = _writer(file_format, media_type or "anime", username)
        async with self._downloads.open_spool(user_id) as spool, self._db.transaction() as tx:
            exports = ExportRepository(tx)
            await exports.freeze()
            await spool.write(writer.begin(await exports.count_entries(user_id, media_type)))
            async for entries in exports.stream_entries(user_id, media_type):
                await spool.write(writer.write(entries))
            await spool.write(writer.end())
        return spool

    async def write_account(self, user_id: int) -> Spool:
        """All data of the account as JSON, one section per table. Raises ``RateLimited``."""
        async with self._downloads.open_spool(user_id) as spool, self._db.transaction() as tx:
            await ExportRepository(tx).freeze()
            await _write_account(tx, user_id, spool)
        return spool


def _writer(file_format: ExportFormat, media_type: MediaType, username: str) -> ListWriter:
    if file_format == "mal_xml":
        return MalXmlWriter(media_type, username)
    return JsonWriter() if file_format == "json" else CsvWriter()


async def _write_account(tx: Transaction, user_id: int, spool: Spool) -> None:
    exports, opening = ExportRepository(tx), "{"
    for section in EXPORTED:
        await spool.write(f'{opening}"{section}":{"" if section == _ACCOUNT else "["}'.encode())
        opening, before = ",", ""
        async for rows in exports.stream_section(user_id, section):
            await spool.write((before + ",".join(rows)).encode())
            before = ","
        if section != _ACCOUNT:
            await spool.write(b"]")
        elif not before:
            raise NotFound("There is no such account.")
    await spool.write(b"}")
