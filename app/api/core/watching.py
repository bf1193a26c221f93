"""Playback: positions, continue watching, the viewing log."""

from typing import Annotated

from fastapi import Path, Query, Request, Response
from pydantic import Field

from app.api.access import access
from app.api.deps import CurrentUser, Page, Paging, Services, set_page_headers
from app.api.idempotency import idempotent_router
from app.api.openapi.failures import failures
from app.errors import NotFound
from app.schemas.core.watching import (
    ProgressIn,
    ProgressOut,
    ReportedProgressOut,
    ViewIn,
    ViewOut,
    reported_body,
)
from app.schemas.fields import Id

router = idempotent_router("", "watching")


class EpisodesPage(Page):
    limit: Annotated[int, Field(ge=1, le=500, description="Episodes per page.")] = 500


@router.post("/watch/progress", response_model=ReportedProgressOut, responses=failures(NotFound))
@access("write:content")
async def report_progress(body: ProgressIn, user: CurrentUser, services: Services) -> Response:
    """Save the playback position in an episode.

    At 90 % the episode counts as watched and the anime is put on your list. The response includes the updated
    list entry.
    """
    kept, entry = await services.watching.progress.report(
        user.user_id,
        body.anime_id,
        episode=body.episode,
        position_seconds=body.position_seconds,
        percent=body.progress_percent,
        reported_at=body.client_ts,
    )
    return Response(reported_body(kept, entry), media_type="application/json")


@router.get("/watch/progress/{anime_id}")
@access("read:content")
async def list_progress(
    anime_id: Annotated[Id, Path()],
    page: Annotated[EpisodesPage, Query()],
    user: CurrentUser,
    services: Services,
    request: Request,
    response: Response,
) -> list[ProgressOut]:
    """List where you stopped in each episode of an anime, by episode; empty if nothing was played."""
    rows, total = await services.watching.progress.list_of_title(
        user.user_id, anime_id, limit=page.limit, offset=page.start
    )
    set_page_headers(request, response, page, total)
    return [ProgressOut.of(row) for row in rows]


@router.delete("/watch/progress/{anime_id}", status_code=204)
@access("write:content")
async def forget_progress(anime_id: Annotated[Id, Path()], user: CurrentUser, services: Services) -> None:
    """Delete your playback positions of an anime; your list does not change. Succeeds if there are none."""
    await services.watching.progress.forget(user.user_id, anime_id)


@router.get("/watch/continue")
@access("read:content")
async def list_continue_watching(
    page: Paging, user: CurrentUser, services: Services, request: Request, response: Response
) -> list[ProgressOut]:
    """List what to continue watching: the latest unfinished episode of each anime, or the next one.

    Progress set on the list counts too. Completed, dropped and removed anime are left out unless they were
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
