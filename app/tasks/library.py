"""Jobs about users' lists: imports, matching and housekeeping."""

from app.container import Container
from app.schemas.jobs import (
    BackfillTotals,
    ForgetChanges,
    ForgetKeys,
    ImportList,
    ImportPublicList,
    MatchEntries,
    PreviewImport,
    UndoImport,
)
from app.services.jobs import JobRun
from app.tasks.registry import handles


@handles(ImportList)
async def import_list(job: ImportList, services: Container, run: JobRun) -> None:
    await services.library.imports.run(job, run)


@handles(BackfillTotals)
async def backfill_totals(_: BackfillTotals, services: Container, run: JobRun) -> None:
    await services.library.backfill.run(run)


@handles(ImportPublicList)
async def import_public_list(job: ImportPublicList, services: Container, run: JobRun) -> None:
    await services.library.anilist_imports.run(job, run)


@handles(PreviewImport)
async def preview_import(job: PreviewImport, services: Container, run: JobRun) -> None:
    await services.library.imports.run(job, run)


@handles(UndoImport)
async def undo_import(job: UndoImport, services: Container, run: JobRun) -> None:
    await services.library.imports.run_undo(job, run)


@handles(MatchEntries)
async def match_entries(_: MatchEntries, services: Container, __: JobRun) -> None:
    await services.library.entries.match()


@handles(ForgetChanges)
async def forget_changes(_: ForgetChanges, services: Container, __: JobRun) -> None:
    await services.library.entries.forget_changes()


@handles(ForgetKeys)
async def forget_keys(_: ForgetKeys, services: Container, __: JobRun) -> None:
    await services.idempotency.forget_old()
