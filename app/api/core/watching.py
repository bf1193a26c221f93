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
    """Save the playback position in an episode.

    From 90 % on, the episode counts as watched and the anime is put on your list.
    """
    kept = await services.watching.progress.report(
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
    """List what to continue watching: the latest unfinished episode of each anime, or the next one.

    Progress set on the list counts. Completed, dropped and removed anime are left out unless they were
    watched since.
    """
    rows, total = await services.watching.progress.list_to_continue(
        user.user_id, limit=page.limit, offset=page.start
    )
    set_page_headers(request, response, page, total)
    return [ProgressOut.of(row) for row in rows]


@router.get("/views")
@access("read:content")
async def list_views(
    page: Paging, user: CurrentUser, services: Services, request: Request, response: Response
) -> list[ViewOut]:
    """List your viewing log, newest first."""
    views, total = await services.watching.progress.list_views(
        user.user_id, limit=page.limit, offset=page.start
    )
    set_page_headers(request, response, page, total)
    return [ViewOut.of(view) for view in views]


@router.post("/views", status_code=201, responses=failures(NotFound))
@access("write:content")
async def log_view(body: ViewIn, user: CurrentUser, services: Services) -> ViewOut:
    """Add a viewing to the log; this does not change the list."""
    view = await services.watching.progress.log_view(
        user.user_id, body.anime_id, episode=body.episode, release_id=body.release_id, at=body.at
    )
    return ViewOut.of(view)
