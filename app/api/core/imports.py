"""Imports of list files."""

from typing import Annotated, Literal

from fastapi import File, Path, Query, Response, UploadFile

from app.api.deps import CurrentUser, Services
from app.api.idempotency import idempotent_router
from app.schemas.core.imports import ImportReportOut, UndoneOut
from app.schemas.core.jobs import QueuedJobOut
from app.schemas.fields import BigId
from app.services.imports import ImportService

MAX_BODY = 20 * 1024 * 1024  # bytes

router = idempotent_router("/users/me/import", "imports")

JobId = Annotated[BigId, Path()]


@router.post("", status_code=202, responses={200: {"model": ImportReportOut, "description": "A dry run"}})
async def start_import(
    file: Annotated[UploadFile, File(description="MyAnimeList XML (.gz too), AniList, Kitsu, Shikimori")],
    user: CurrentUser,
    services: Services,
    response: Response,
    dry_run: Annotated[bool, Query(description="Answer what it would do, and do nothing.")] = False,
) -> QueuedJobOut | ImportReportOut:
    """Read a list file into the list, as a job; the same file again changes nothing."""
    response.status_code = 200 if dry_run else 202
    return await _ANSWERS[dry_run](services.imports, user.user_id, file)


async def _start(imports: ImportService, user_id: int, file: UploadFile) -> QueuedJobOut | ImportReportOut:
    return QueuedJobOut.of(await imports.start(user_id, await file.read(), filename=file.filename))


async def _preview(imports: ImportService, user_id: int, file: UploadFile) -> QueuedJobOut | ImportReportOut:
    return ImportReportOut.of(await imports.preview(user_id, await file.read()))


_ANSWERS = {False: _start, True: _preview}


@router.get("/{job_id}/report", response_model=ImportReportOut)
async def get_report(
    job_id: JobId, user: CurrentUser, services: Services, format: Literal["json", "csv"] = "json"
) -> Response:
    """What became of each row, with its reason."""
    report = ImportReportOut.of(await services.imports.report(user.user_id, job_id))
    return _REPORTS[format](report)


def _as_json(report: ImportReportOut) -> Response:
    return Response(report.model_dump_json(), media_type="application/json")


def _as_csv(report: ImportReportOut) -> Response:
    headers = {"Content-Disposition": 'attachment; filename="import.csv"'}
    return Response(report.as_csv(), headers=headers, media_type="text/csv")


_REPORTS = {"json": _as_json, "csv": _as_csv}


@router.post("/{job_id}/cancel", status_code=204)
async def cancel_import(job_id: JobId, user: CurrentUser, services: Services) -> None:
    """Leave out the rows that were not reached yet."""
    await services.imports.cancel(user.user_id, job_id)


@router.post("/{job_id}/undo")
async def undo_import(job_id: JobId, user: CurrentUser, services: Services) -> UndoneOut:
    """Take back what the import changed, except where it was edited since."""
    return UndoneOut(undone=await services.imports.undo(user.user_id, job_id))
