"""Imports of list files."""

from typing import Annotated

from fastapi import File, Path, Query, Response, UploadFile

from app.api.access import FORM_OVERHEAD, access
from app.api.deps import CurrentUser, Services
from app.api.idempotency import idempotent_router
from app.api.limits import limited_by_person
from app.api.openapi.failures import UNDOCUMENTED, failures
from app.api.spooled import SpooledResponse
from app.errors import Conflict, RateLimited
from app.schemas.core.imports import ImportReportOut
from app.schemas.core.jobs import QueuedJobOut
from app.schemas.domain.jobs import EnqueuedJob
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ImportMode, ImportReport, ReportFormat
from app.schemas.fields import BigId
from app.services.library.imports import LARGEST_FILE, UPLOADS
from app.utils.spool import Spool

LIST_FILE = LARGEST_FILE + FORM_OVERHEAD  # bytes

router = idempotent_router("/users/me/import", "imports")

JobId = Annotated[BigId, Path()]
ListUpload = Annotated[UploadFile, File(description="MyAnimeList XML (.gz too), AniList, Kitsu, Shikimori")]

ListedType = Annotated[
    MediaType | None, Query(alias="type", description="The media type, for files that do not state it.")
]
Mode = Annotated[
    ImportMode, Query(description="`replace` takes progress and counts from the file even if they are lower.")
]


@router.post(
    "",
    status_code=202,
    response_model=QueuedJobOut,
    dependencies=[limited_by_person(UPLOADS)],
    responses=failures(RateLimited),
)
@access("write:content", upload_limit=LIST_FILE)
async def start_import(
    file: ListUpload,
    user: CurrentUser,
    services: Services,
    media_type: ListedType = None,
    mode: Mode = "merge",
    dry_run: Annotated[bool, Query(json_schema_extra={UNDOCUMENTED: True})] = False,
) -> Response:
    """Import a list file as a background job; importing the same file again changes nothing.

    A file that is clearly not a list is rejected at once; otherwise the job fails with the reason.
    """
    begin = services.library.imports.preview if dry_run else services.library.imports.start
    content = await file.read()
    return _answer(
        await begin(user.user_id, content, filename=file.filename, media_type=media_type, mode=mode)
    )


@router.post(
    "/preview",
    response_model=ImportReportOut,
    dependencies=[limited_by_person(UPLOADS)],
    responses={202: {"model": QueuedJobOut, "description": "More than 500 rows"}, **failures(RateLimited)},
)
@access("write:content", upload_limit=LIST_FILE)
async def preview_import(
    file: ListUpload,
    user: CurrentUser,
    services: Services,
    media_type: ListedType = None,
    mode: Mode = "merge",
) -> Response:
    """Show what an import would do without doing it; more than 500 rows run as a job with a report."""
    content = await file.read()
    return _answer(
        await services.library.imports.preview(
            user.user_id, content, filename=file.filename, media_type=media_type, mode=mode
        )
    )


def _answer(begun: EnqueuedJob | ImportReport) -> Response:
    if isinstance(begun, EnqueuedJob):
        return _as_json(QueuedJobOut.of(begun), status=202)
    return _as_json(ImportReportOut.of(begun), status=200)


def _as_json(shown: QueuedJobOut | ImportReportOut, *, status: int) -> Response:
    return Response(shown.model_dump_json(), status, media_type="application/json")


@router.get("/{job_id}/report", response_model=ImportReportOut, responses=failures(RateLimited))
@access("read:content")
async def get_import_report(
    job_id: JobId, user: CurrentUser, services: Services, format: ReportFormat = "json"
) -> Response:
    """Get the result and the reason for each row of an import or a dry run."""
    spool = await services.library.imports.report(user.user_id, job_id, file_format=format)
    return _report(spool, format)


def _report(spool: Spool, file_format: ReportFormat) -> Response:
    if file_format == "csv":
        return SpooledResponse(spool, media_type="text/csv", name="import.csv")
    return SpooledResponse(spool, media_type="application/json")


@router.post("/{job_id}/cancel", status_code=204)
@access("write:content")
async def cancel_import(job_id: JobId, user: CurrentUser, services: Services) -> None:
    """Cancel an import; rows imported so far stay until you undo it."""
    await services.library.imports.cancel(user.user_id, job_id)


@router.post("/{job_id}/undo", status_code=202, responses=failures(Conflict))
@access("write:content")
async def undo_import(job_id: JobId, user: CurrentUser, services: Services) -> QueuedJobOut:
    """Undo an import as a background job; entries edited since are kept.

    The progress of the job is the number of entries restored. Failed and cancelled imports can be undone too.
    A running import, a dry run and an import that was undone before answer 409.
    """
    return QueuedJobOut.of(await services.library.imports.undo(user.user_id, job_id))
