"""Imports of list files: a job that can be watched, cancelled and taken back."""

import asyncio
import hashlib
from collections.abc import Sequence

from app.errors import Conflict, NotFound
from app.external.lists import read_list
from app.repositories.imports import ImportRepository, PackedList, StoredImport
from app.repositories.library import ChangeRepository, EntryRepository, NewChange, NewEntry, lock_lists
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import BadRow, ImportMode, ImportReport, ListedRow, RowReport
from app.schemas.jobs import EnqueuedJob, ImportList
from app.services.jobs import JobRun, JobService
from app.services.library.importing import ImportPlan, Planned, names_of
from app.services.library.matching import link_entries
from app.services.library.title_matches import Identity, match_titles_of
from app.services.library.undo import take_back_many
from app.utils.cleaning import clean_text
from app.utils.database import Database, Transaction

_ORIGIN = "import"
_LONGEST_NAME = 255  # characters of a file's name that are kept


class NoSuchImport(NotFound):
    default_message = "There is no such import."


class ImportService:
    """``chunk`` is the number of rows a transaction."""

    def __init__(self, db: Database, jobs: JobService, *, chunk: int = 2000) -> None:
        self._db = db
        self._jobs = jobs
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
        """Queue the import of a file; the same file twice at once is one job. Raises ``UnreadableList``.

        ``media_type`` is what a file lists that does not say so; ``mode`` may let progress fall.
        """
        digest, rows = await asyncio.to_thread(_taken_in, content, media_type)
        name = (clean_text(filename) or "")[:_LONGEST_NAME] or None
        job = ImportList(user_id=user_id, digest=digest, media_type=media_type, mode=mode)
        async with self._db.transaction() as tx:
            queued = await self._jobs.enqueue(tx, job, owner_id=user_id)
            if queued.created:
                await ImportRepository(tx).insert(queued.id, user_id, filename=name, rows=rows)
            return queued

    async def preview(
        self,
        user_id: int,
        content: bytes,
        *,
        media_type: MediaType | None = None,
        mode: ImportMode = "merge",
    ) -> ImportReport:
        """What the import would do, without doing it."""
        found = await asyncio.to_thread(read_list, content, media_type)
        async with self._db.transaction() as tx:
            planned = await _plan(tx, user_id, found.rows, found.source, {}, mode)
        return ImportReport(_in_order([*(one.report for one in planned), *_failed(found.bad)]))

    async def run(self, job: ImportList, run: JobRun) -> None:
        """Do it, some thousand rows a transaction; what an earlier attempt did is not done again."""
        job_id = run.claimed.id
        async with self._db.reader() as connection:
            content = await ImportRepository(connection).find_rows(job_id)
        if content is None:
            raise NoSuchImport
        packed = PackedList(content)
        done = (await self._get(job_id, job.user_id)).reported
        seen = names_of(packed.take(0, done))
        rows = packed.take(done, self._chunk)
        while rows:
            # read while PostgreSQL is busy with the rows before
            ahead = asyncio.create_task(asyncio.to_thread(packed.take, done + len(rows), self._chunk))
            async with run.transaction() as tx:
                reports = await _carry_out(tx, job, job_id, rows, packed.source, seen)
                await ImportRepository(tx).append(job_id, reports)
            done += len(rows)
            rows = await ahead
            await run.progress(done, len(packed))
        async with run.transaction(finish=True) as tx:
            await ImportRepository(tx).forget_content(job_id)

    async def report(self, user_id: int, job_id: int) -> ImportReport:
        """Row by row, as far as the import has come."""
        async with self._db.reader() as connection:
            found = await ImportRepository(connection).find_report(job_id, user_id)
        if found is None:
            raise NoSuchImport
        return found

    async def cancel(self, user_id: int, job_id: int) -> None:
        """Leave out the rows that were not reached yet; what is done stays until it is undone."""
        await self._get(job_id, user_id)
        async with self._db.transaction() as tx:
            await ImportRepository(tx).mark_cancelled(job_id)

    async def undo(self, user_id: int, job_id: int) -> int:
        """Take back what the import changed and nobody changed since; answers how many entries."""
        stored = await self._get(job_id, user_id)
        if stored.running:
            raise Conflict("The import still runs: cancel it, or wait for its end.")
        async with self._db.transaction() as tx:
            if not await ImportRepository(tx).mark_undone(job_id):
                raise Conflict("The import was taken back already.")
            await lock_lists(tx, [user_id])
            return await take_back_many(tx, user_id, await ChangeRepository(tx).list_of_job(user_id, job_id))

    async def _get(self, job_id: int, user_id: int) -> StoredImport:
        async with self._db.reader() as connection:
            found = await ImportRepository(connection).find(job_id, user_id)
        if found is None:
            raise NoSuchImport
        return found


def _taken_in(content: bytes, media_type: MediaType | None) -> tuple[str, bytes]:
    return hashlib.sha256(content).hexdigest(), PackedList.pack(read_list(content, media_type))


def _failed(bad: Sequence[BadRow]) -> list[RowReport]:
    return [RowReport(row.line, row.title, "failed", row.reason) for row in bad]


def _in_order(reports: Sequence[RowReport]) -> list[RowReport]:
    return sorted(reports, key=lambda report: report.line)


async def _carry_out(
    tx: Transaction,
    job: ImportList,
    job_id: int,
    chunk: Sequence[ListedRow | BadRow],
    source: str,
    seen: dict[Identity, int],
) -> list[RowReport]:
    rows = [row for row in chunk if isinstance(row, ListedRow)]
    bad = _failed([row for row in chunk if isinstance(row, BadRow)])
    if await ImportRepository(tx).is_cancelled(job_id):
        left = [RowReport(row.line, row.subject.title, "skipped", "the import was cancelled") for row in rows]
        return _in_order([*left, *bad])
    planned = await _plan(tx, job.user_id, rows, source, seen, job.mode)
    await _write(tx, job.user_id, planned, job_id)
    return _in_order([*(one.report for one in planned), *bad])


async def _plan(
    tx: Transaction,
    user_id: int,
    rows: Sequence[ListedRow],
    source: str,
    seen: dict[Identity, int],
    mode: ImportMode,
) -> list[Planned]:
    await lock_lists(tx, [user_id])
    titles = await match_titles_of(tx, rows)
    held = await EntryRepository(tx).list_like(user_id, [*titles.subjects, *(row.subject for row in rows)])
    return ImportPlan(titles, held, source, seen, mode=mode).plan(rows)


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
