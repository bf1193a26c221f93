"""Background jobs: those of the caller, or all of them for an admin."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field

from app.api.access import access
from app.api.deps import CurrentUser, Page, Services, set_page_headers
from app.api.idempotency import HONOURS_KEY, IdempotentRoute
from app.api.openapi.failures import failures
from app.errors import Conflict, Forbidden, Invalid, NotFound, ServiceUnavailable, Unauthenticated
from app.schemas.core.jobs import JobOut
from app.schemas.fields import BigId
from app.schemas.jobs import JobStatus

router = APIRouter(
    prefix="/jobs",
    tags=["jobs"],
    route_class=IdempotentRoute,
    responses=failures(Unauthenticated, Forbidden, Invalid, ServiceUnavailable),
)

JobId = Annotated[BigId, Path()]


class JobQuery(Page):
    status: JobStatus | None = None
    kind: Annotated[str | None, Field(max_length=100, pattern=r"^[a-z0-9._]+$")] = None


async def _whose(user: CurrentUser) -> int | None:
    return None if user.is_admin else user.user_id


Whose = Annotated[int | None, Depends(_whose)]


@router.get("")
@access("read:content")
async def list_jobs(
    query: Annotated[JobQuery, Query()],
    owner: Whose,
    services: Services,
    request: Request,
    response: Response,
) -> list[JobOut]:
    """List background jobs, newest first: your own, or all of them for an admin."""
    page = await services.jobs.list(
        owner_id=owner, status=query.status, kind=query.kind, limit=query.limit, offset=query.start
    )
    set_page_headers(request, response, query, page.total)
    return [JobOut.of(job) for job in page.jobs]


@router.get("/{job_id}", responses=failures(NotFound))
@access("read:content")
async def get_job(job_id: JobId, owner: Whose, services: Services) -> JobOut:
    """Get a background job with its progress."""
    return JobOut.of(await services.jobs.get(job_id, owner_id=owner))


@router.post(
    "/{job_id}/retry",
    status_code=202,
    dependencies=[HONOURS_KEY],
    responses=failures(NotFound, Conflict),
)
@access("write:content")
async def retry_job(job_id: JobId, owner: Whose, services: Services) -> JobOut:
    """Queue a failed job again."""
    return JobOut.of(await services.jobs.retry(job_id, owner_id=owner))
