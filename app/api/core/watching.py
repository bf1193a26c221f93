"""Playback: where one stopped, what to go on with, what was seen when."""

from fastapi import Request, Response

from app.api.access import access
from app.api.deps import CurrentUser, Paging, Services, set_page_headers
from app.api.idempotency import idempotent_router
from app.api.openapi.failures import failures
from app.errors import NotFound
from app.schemas.core.watching import ProgressIn, ProgressOut, ViewIn, ViewOut

router = idempotent_router("", "watching")


@router.post("/watch/progress", responses=failures(NotFound))
@access("write:content")
async def report_progress(body: ProgressIn, user: CurrentUser, services: Services) -> ProgressOut:
    """Keep where one stopped; from 90 % on the episode counts on the list, and puts the title there."""
    kept = await services.watching.report(
        user.user_id,
        body.anime_id,
        episode=body.episode,
        position_seconds=body.position_seconds,
        percent=body.progress_percent,
        reported_at=body.client_ts,
    )
    return ProgressOut.of(kept)


@router.get("/watch/continue")
@access("read:content")
async def list_to_continue(
    page: Paging, user: CurrentUser, services: Services, request: Request, response: Response
) -> list[ProgressOut]:
    """The latest unfinished episode of each title, or the next one.

    Progress set on the list counts. What is completed, dropped or removed is left out unless it was
    watched since.
    """
    rows, total = await services.watching.list_to_continue(user.user_id, limit=page.limit, offset=page.start)
    set_page_headers(request, response, page, total)
    return [ProgressOut.of(row) for row in rows]


@router.get("/views")
@access("read:content")
async def list_views(
    page: Paging, user: CurrentUser, services: Services, request: Request, response: Response
) -> list[ViewOut]:
    """The viewing log, newest first."""
    views, total = await services.watching.list_views(user.user_id, limit=page.limit, offset=page.start)
    set_page_headers(request, response, page, total)
    return [ViewOut.of(view) for view in views]


@router.post("/views", status_code=201, responses=failures(NotFound))
@access("write:content")
async def log_view(body: ViewIn, user: CurrentUser, services: Services) -> ViewOut:
    """Add a line to the viewing log; the list stays as it is."""
    view = await services.watching.log_view(
        user.user_id, body.anime_id, episode=body.episode, release_id=body.release_id, at=body.at
    )
    return ViewOut.of(view)
