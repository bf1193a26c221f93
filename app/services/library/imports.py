"""Imports of list files, as jobs that can be followed, cancelled and undone; also dry runs."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence

from app.errors import Conflict, NotFound, PayloadTooLarge
from app.repositories.imports import ImportRepository, StoredImport, pack_rows
from app.repositories.library import ChangeRepository, EntryRepository, NewChange, NewEntry, lock_lists
from app.schemas.domain.jobs import EnqueuedJob
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import (
    BadRow,
    ImportMode,
    ImportReport,
    ListedRow,
    ReportFormat,
    RowReport,
)
from app.schemas.jobs import ImportList, PreviewImport, UndoImport
from app.services.jobs import JobRun, JobService
from app.services.library.downloads import Downloads
from app.services.library.import_plan import ImportPlan, Planned, kitsu_id_of, names_of
from app.services.library.matching import link_entries
from app.services.library.reading import ListReader
from app.services.library.reports import REPORT_WRITERS
from app.services.library.title_matches import Identity, has_only_a_title, match_titles_of
from app.services.library.undo import undo_changes
from app.utils.db.database import Database, Transaction
from app.utils.redis.quotas import Quota
from app.utils.spool import Spool
from app.utils.text.cleaning import clean_text

UPLOADS = Quota("list files of a person", 30, 3600)

LARGEST_FILE = 20 * 1024 * 1024  # bytes, as uploaded
_ORIGIN = "import"
_MAX_NAME = 255  # characters stored of a file name
_MAX_CHECKED = 1024 * 1024  # bytes, unpacked; longer files are only parsed by the worker
_MAX_COUNTED = 8 * 1024 * 1024  # bytes, unpacked; longer files are not parsed to count their rows
_MAX_PREVIEWED = 500  # rows; dry runs up to this size are answered immediately


class NoSuchImport(NotFound):
    default_message = "There is no such import."


class ImportService:
    """``chunk`` is the number of rows per transaction, small enough not to block the event loop.

    ``media_type`` applies to files that do not name it; ``mode`` "replace" allows progress to decrease.
    """

    def __init__(
        self,
        db: Database,
        jobs: JobService,
        reader: ListReader,
        downloads: Downloads,
        *,
        chunk: int = 1000,
    ) -> None:
        self._db = db
        self._jobs = jobs
        self._reader = reader
        self._downloads = downloads
        self._chunk = chunk

    async def start(
        self,
        user_id: int,
        content: bytes,
        *,
        filename: str | None,
        media_type: MediaType | None = None,
        mode: ImportMode = "merge",
    ) -> EnqueuedJob:
        """Queue the import of a file; if the same file is already queued or running, that job is returned.

        Raises ``UnreadableList`` or ``PayloadTooLarge`` for a bad file if that is quickly detected; otherwise
        the job fails with that reason.
        """
        _check_size(content)
        await self._reader.read_if_short(content, media_type, max_bytes=_MAX_CHECKED, user_id=user_id)
        digest = await asyncio.to_thread(_digest, content)
        job = ImportList(user_id=user_id, digest=digest, media_type=media_type, mode=mode)
        return await self._enqueue(job, content, filename)

    async def preview(
        self,
        user_id: int,
        content: bytes,
        *,
        filename: str | None,
        media_type: MediaType | None = None,
        mode: ImportMode = "merge",
    ) -> ImportReport | EnqueuedJob:
        """The result that the import would have; for a file of more than 500 rows a job that computes it.

        Raises ``UnreadableList`` and ``PayloadTooLarge`` like :meth:`start`.
        """
        _check_size(content)
        packed = await self._reader.read_if_short(
            content, media_type, max_bytes=_MAX_COUNTED, user_id=user_id
        )
        if packed is None or len(packed) > _MAX_PREVIEWED:
            digest = await asyncio.to_thread(_digest, content)
            job = PreviewImport(user_id=user_id, digest=digest, media_type=media_type, mode=mode)
            return await self._enqueue(job, content, filename)
        async with self._db.transaction() as tx:
            _, reports = await _plan(tx, user_id, packed.take(0, _MAX_PREVIEWED), packed.source, {}, mode)
        return ImportReport(reports)

    async def run(self, job: ImportList | PreviewImport, run: JobRun) -> None:
        """Import chunk by chunk; a retry continues after the last committed chunk."""
        job_id = run.claimed.id
        stored = await self._get(job_id, job.user_id)
        packed = await self._reader.read(await self._content(job_id), job.media_type)
        counts = Counter(stored.counts)
        seen = await asyncio.to_thread(lambda: names_of(packed.take(0, stored.reported)))
        for start in range(stored.reported, len(packed), self._chunk):
            rows = await asyncio.to_thread(packed.take, start, self._chunk)
            async with run.transaction() as tx:
                reports = await _execute(tx, job, job_id, rows, packed.source, seen)
                counts.update(report.action for report in reports)
                packed_reports = await asyncio.to_thread(pack_rows, reports)
                await ImportRepository(tx).append(job_id, packed_reports, position=start, counts=counts)
            await run.progress(start + len(rows), len(packed))
        async with run.transaction(finish=True) as tx:
            await ImportRepository(tx).forget_content(job_id)

    async def report(self, user_id: int, job_id: int, *, file_format: ReportFormat) -> Spool:
        """The report by row, as far as the import has progressed."""
        stored = await self._get(job_id, user_id)
        async with self._downloads.open_spool(user_id) as spool:
            await REPORT_WRITERS[file_format](
                spool, stored.counts, self._report_chunks(job_id, stored.reported)
            )
        return spool

    async def cancel(self, user_id: int, job_id: int) -> None:
        """Skip the rows not imported yet; the others stay until the import is undone."""
        await self._get(job_id, user_id)
        async with self._db.transaction() as tx:
            await ImportRepository(tx).mark_cancelled(job_id)

    async def undo(self, user_id: int, job_id: int) -> EnqueuedJob:
        """Queue the undo of an import; entries edited since keep their edits.

        A failed or cancelled import can be undone too; it cannot be continued afterwards.
        """
        async with self._db.transaction() as tx:
            await lock_lists(tx, [user_id])
            imports = ImportRepository(tx)
            _check_undoable(await imports.find_for_update(job_id, user_id))
            await imports.forget_content(job_id)
            return await self._jobs.enqueue(tx, UndoImport(user_id, job_id), owner_id=user_id)

    async def run_undo(self, job: UndoImport, run: JobRun) -> None:
        """Undo an import, chunk by chunk.

        The progress counts the restored entries; at the end its total is their number as well.
        """
        user_id, undo_id = job.user_id, run.claimed.id
        async with self._db.transaction() as tx:
            changes = ChangeRepository(tx)
            entry_ids = await changes.list_entries_of_job(user_id, job.import_id)
            undone = await changes.count_of_job(user_id, undo_id)
        for start in range(0, len(entry_ids), self._chunk):
            some = entry_ids[start : start + self._chunk]
            async with run.transaction() as tx:
                await lock_lists(tx, [user_id])
                changed = await ChangeRepository(tx).list_of_job(user_id, job.import_id, some)
                undone += await undo_changes(tx, user_id, changed, job_id=undo_id)
            await run.progress(undone, len(entry_ids))
        await run.progress(undone, undone)
        async with run.transaction(finish=True) as tx:
            await ImportRepository(tx).mark_undone(job.import_id)

    async def _enqueue(
        self, job: ImportList | PreviewImport, content: bytes, filename: str | None
    ) -> EnqueuedJob:
        name = (clean_text(filename) or "")[:_MAX_NAME] or None
        async with self._db.transaction() as tx:
            queued = await self._jobs.enqueue(tx, job, owner_id=job.user_id)
            if queued.created:
                await ImportRepository(tx).insert(
                    queued.id, job.user_id, filename=name, content=content, is_dry_run=job.is_dry_run
                )
            return queued

    async def _get(self, job_id: int, user_id: int) -> StoredImport:
        async with self._db.reader() as connection:
            found = await ImportRepository(connection).find(job_id, user_id)
        if found is None:
            raise NoSuchImport
        return found

    async def _report_chunks(self, job_id: int, reported: int) -> AsyncIterator[str]:
        """The first ``reported`` rows of a report, as JSON arrays of some hundred rows each."""
        position = 0
        while position < reported:
            async with self._db.reader() as connection:
                found = await ImportRepository(connection).find_chunk(job_id, position=position)
            if found is None:
                raise NoSuchImport
            piece, number = found
            yield piece
            position += number

    async def _content(self, job_id: int) -> bytes:
        async with self._db.reader() as connection:
            content = await ImportRepository(connection).find_content(job_id)
        if content is None:
            raise Conflict("The import was undone, or its file was deleted: upload it again.")
        return content


def _check_size(content: bytes) -> None:
    if len(content) > LARGEST_FILE:
        raise PayloadTooLarge


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _check_undoable(stored: StoredImport | None) -> None:
    if stored is None:
        raise NoSuchImport
    if stored.is_dry_run:
        raise Conflict("A dry run changes nothing, so there is nothing to undo.")
    if stored.running:
        raise Conflict("The import is still running: cancel it, or wait until it ends.")
    if stored.undone:
        raise Conflict("The import is already undone.")


def _failed_reports(bad: Sequence[BadRow]) -> list[RowReport]:
    return [RowReport(row.line, row.title, "failed", row.reason) for row in bad]


def _in_order(reports: Sequence[RowReport]) -> list[RowReport]:
    return sorted(reports, key=lambda report: report.line)


async def _execute(
    tx: Transaction,
    job: ImportList | PreviewImport,
    job_id: int,
    chunk: Sequence[ListedRow | BadRow],
    source: str,
    seen: dict[Identity, int],
) -> list[RowReport]:
    if await ImportRepository(tx).is_cancelled(job_id):
        rows = [row for row in chunk if isinstance(row, ListedRow)]
        left = [RowReport(row.line, row.subject.title, "skipped", "the import was cancelled") for row in rows]
        return _in_order([*left, *_failed_reports([row for row in chunk if isinstance(row, BadRow)])])
    planned, reports = await _plan(tx, job.user_id, chunk, source, seen, job.mode)
    if not job.is_dry_run:
        await _write(tx, job.user_id, planned, job_id)
    return reports


async def _plan(
    tx: Transaction,
    user_id: int,
    chunk: Sequence[ListedRow | BadRow],
    source: str,
    seen: dict[Identity, int],
    mode: ImportMode,
) -> tuple[list[Planned], list[RowReport]]:
    """The planned writes, and the reports of all rows, including malformed ones."""
    rows = [row for row in chunk if isinstance(row, ListedRow)]
    await lock_lists(tx, [user_id])
    titles = await match_titles_of(tx, rows)
    held = await EntryRepository(tx).list_like(
        user_id,
        [*titles.subjects, *(row.subject for row in rows)],
        titles={row.subject.title for row in rows if row.subject.title and has_only_a_title(row)},
        kitsu_ids={row_id for row in rows if (row_id := kitsu_id_of(row.fields.get("carried"))) is not None},
    )
    planned = await asyncio.to_thread(lambda: ImportPlan(titles, held, source, seen, mode=mode).plan(rows))
    bad = _failed_reports([row for row in chunk if isinstance(row, BadRow)])
    return planned, _in_order([*(one.report for one in planned), *bad])


async def _write(tx: Transaction, user_id: int, planned: Sequence[Planned], job_id: int) -> None:
    entries = EntryRepository(tx)
    fresh = [one for one in planned if one.entry is None and one.state is not None]
    news = [NewEntry(one.subject, one.state) for one in fresh if one.state is not None]
    await entries.insert_recorded(user_id, news, origin=_ORIGIN, job_id=job_id)
    matches = {one.entry.id: one.subject.anime_id for one in planned if one.is_match and one.entry}
    await link_entries(tx, user_id, {id_: anime_id for id_, anime_id in matches.items() if anime_id})
    changed = [one for one in planned if one.entry is not None and one.state is not None]
    await entries.update_many({one.entry.id: one.state for one in changed if one.entry and one.state})
    changes = [
        NewChange(one.entry.id, one.entry.subject, one.entry.state, one.state) for one in changed if one.entry
    ]
    await ChangeRepository(tx).record_many(user_id, changes, origin=_ORIGIN, job_id=job_id)
