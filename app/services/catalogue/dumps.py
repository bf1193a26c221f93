"""Import open dumps into the catalogue."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from app.errors import DumpUnreadable
from app.external.catalogue_dumps import Dump
from app.repositories.dumps import DumpRepository, KnownLabels
from app.repositories.manga import MangaRepository
from app.repositories.relations import RelationRepository
from app.schemas.domain.anime import ImportSummary, NameSource
from app.schemas.domain.dumps import DumpFault, DumpManga, DumpRelation, DumpRow, DumpTitle
from app.services.catalogue.dump_plan import Plan, Planner
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database

_CHUNK = 2000  # rows per transaction
_FAULTS_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of an import: rows handled, and bytes read of the ``size`` of the file."""

    rows: int
    consumed: int
    size: int


OnProgress = Callable[[Progress], None]
OnFault = Callable[[DumpFault], None]
OnChange = Callable[[], Awaitable[None]]


class DumpService:
    """``changed`` is called after the commit of every chunk that changed the catalogue."""

    def __init__(
        self, db: Database, *, changed: OnChange | None = None, clock: Clock = utc_now, chunk: int = _CHUNK
    ) -> None:
        self._db = db
        self._changed = changed
        self._clock = clock
        self._chunk = chunk

    async def run(
        self, path: Path, *, on_progress: OnProgress | None = None, on_fault: OnFault | None = None
    ) -> ImportSummary:
        """Import a file, one transaction per chunk; an interrupted import is completed by importing again.

        ``on_fault`` is called for each row that is not stored; the summary has the first thousand of them.
        Raises :class:`DumpUnreadable`, whose details count the rows before the fault.
        """
        dump = await asyncio.to_thread(Dump, path)
        dated = None if dump.dated is None else min(dump.dated, self._clock().date())
        chunks = _Chunks(self._db, dated, _Tally(on_fault), self._changed)
        try:
            async with aclosing(_read(dump, self._chunk)) as reading:
                async for rows in reading:
                    await chunks.store(rows, dump.source)
                    if on_progress is not None:
                        on_progress(Progress(chunks.tally.rows, dump.consumed, dump.size))
        except DumpUnreadable as fault:
            await chunks.settle(dump.source)
            stored = "; the rows before that are stored" if chunks.tally.rows else ""
            raise DumpUnreadable(fault.message + stored, details=chunks.tally.counts) from fault
        await chunks.settle(dump.source)
        return chunks.tally.summary()


class _Chunks:
    """One pass over a dump."""

    def __init__(self, db: Database, dated: date | None, tally: "_Tally", changed: OnChange | None) -> None:
        self.tally = tally
        self._db = db
        self._dated = dated
        self._changed = changed
        self._planner = Planner(dated)
        self._labels = KnownLabels()

    async def store(self, rows: Sequence[DumpRow], source: NameSource) -> None:
        titles = [row for row in rows if isinstance(row, DumpTitle)]
        mal_ids = {row.anime.mal_id for row in titles if row.anime.mal_id is not None}
        anilist_ids = {row.anime.anilist_id for row in titles if row.anime.anilist_id is not None}
        async with self._db.transaction() as tx:
            dumps = DumpRepository(tx, self._labels, source=source, dated=self._dated)
            await dumps.begin()
            plan = self._planner.plan(titles, await dumps.stored(mal_ids, anilist_ids))
            changed = await self._execute(plan, dumps)
            related = [row.relation for row in rows if isinstance(row, DumpRelation)]
            added, updated = await RelationRepository(tx).add(related)
            manga = [row.manga for row in rows if isinstance(row, DumpManga)]
            stored = await MangaRepository(tx).put_many(manga)
            moved = added or updated or changed or any(slot.stored is None for slot in plan.slots)
            if self._changed is not None and moved:
                tx.after_commit(self._changed)
        self.tally.count(rows, plan, changed)
        self.tally.count_relations(added, updated, len(related))
        self.tally.count_relations(*stored, len(manga))

    async def settle(self, source: NameSource) -> None:
        """Update planner statistics and search indexes after an import.

        Otherwise the next searches are slow.
        """
        if self.tally.counts["added"] + self.tally.counts["updated"] == 0:
            return
        async with self._db.transaction() as tx:
            dumps = DumpRepository(tx, self._labels, source=source, dated=self._dated)
            await dumps.begin()
            await dumps.analyze()

    async def _execute(self, plan: Plan, dumps: DumpRepository) -> set[int]:
        """Write a chunk; returns the stored titles that changed."""
        plan.keep_apart(await dumps.reassign_references(plan.absorptions))
        await dumps.clear_anilist_ids(plan.released)
        await dumps.store_names(plan.renaming, overwrite=True)
        await dumps.store_names(plan.naming, overwrite=False)
        changed = await dumps.merge(plan.overwriting)
        changed |= await dumps.merge(plan.completing)
        await dumps.insert(plan.added)
        await dumps.absorb(plan.absorptions)
        return changed


async def _read(dump: Dump, size: int) -> AsyncGenerator[list[DumpRow], None]:
    """The rows of a dump in chunks; the next chunk is parsed in a thread while the current one is stored."""
    loop = asyncio.get_running_loop()
    with closing(dump), ThreadPoolExecutor(1, "dump") as reader:
        reading = loop.run_in_executor(reader, dump.read, size)
        while rows := await reading:
            reading = loop.run_in_executor(reader, dump.read, size)
            yield rows


class _Tally:
    """Counts of what happened to the rows so far."""

    def __init__(self, on_fault: OnFault | None) -> None:
        self.counts = dict.fromkeys(["added", "updated", "unchanged", "skipped", "failed"], 0)
        self._faults: list[tuple[int, str]] = []
        self._on_fault = on_fault

    @property
    def rows(self) -> int:
        return sum(self.counts.values())

    def count(self, rows: Sequence[DumpRow], plan: Plan, changed: set[int]) -> None:
        for slot in plan.slots:
            if slot.counted:
                was = slot.stored.id if slot.stored else None
                self.counts["added" if was is None else "updated" if was in changed else "unchanged"] += 1
        faults = [row for row in rows if isinstance(row, DumpFault)] + plan.repeats
        for fault in sorted(faults, key=lambda fault: fault.line):
            self._note(fault)

    def count_relations(self, added: int, updated: int, read: int) -> None:
        """Relations that exist already, or occurred earlier in the file, count as unchanged."""
        self.counts["added"] += added
        self.counts["updated"] += updated
        self.counts["unchanged"] += read - added - updated

    def summary(self) -> ImportSummary:
        return ImportSummary(**self.counts, faults=self._faults)

    def _note(self, fault: DumpFault) -> None:
        self.counts[fault.outcome] += 1
        if len(self._faults) < _FAULTS_KEPT:
            self._faults.append((fault.line, fault.reason))
        if self._on_fault is not None:
            self._on_fault(fault)
