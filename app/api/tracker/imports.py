"""Imports in the format of the tracker's clients: lists they fetched from AniList, or a user's by name."""

from typing import Annotated

from fastapi import Path, Response

from app.api.access import access
from app.api.deps import CurrentUser, Services
from app.api.idempotency import idempotent_router
from app.api.limits import limited_by_person
from app.api.openapi.failures import failures
from app.api.validation import printable
from app.container import Container
from app.errors import BadRequest, RateLimited
from app.schemas.core.jobs import QueuedJobOut
from app.schemas.tracker.anilist import ListImportIn, ReadAnimeOut, ReadListsOut
from app.services.library.imports import UPLOADS

router = idempotent_router("/api/import", "tracker: anilist")


@router.post(
    "/anilist",
    response_model=ReadListsOut,
    dependencies=[limited_by_person(UPLOADS)],
    responses={
        202: {"model": QueuedJobOut, "description": "The user's public lists are being fetched."},
        **failures(BadRequest, RateLimited),
    },
)
@access("write:content")
async def import_lists(body: ListImportIn, user: CurrentUser, services: Services) -> Response:
    """Import AniList lists as a background job: those of a `username`, or `animes` that a client has fetched.

    For `animes` the response has what the catalogue knows of each title.
    """
    shown, status = await _begin(body, user.user_id, services)
    return Response(shown.model_dump_json(), status, media_type="application/json")


@router.post("/{provider}", include_in_schema=False)
@access("write:content")
async def refuse_provider(provider: Annotated[str, Path(max_length=100)], _: CurrentUser) -> None:
    """Answer 400 for every other provider: only AniList lists can be imported here."""
    raise BadRequest(f"Lists of this provider cannot be imported here: {printable(provider)}; use anilist.")


async def _begin(
    body: ListImportIn, user_id: int, services: Container
) -> tuple[QueuedJobOut | ReadListsOut, int]:
    imports = services.library.anilist_imports
    if body.username is not None and body.animes is None:
        return QueuedJobOut.of(await imports.start(user_id, body.username)), 202
    lists = [one.model_dump() for one in body.animes or ()]
    known, queued = await imports.take_lists(user_id, lists)
    titles = [
        ReadAnimeOut.model_validate(
            {"id": one.anime_id, "thumbnail": one.thumbnail, "title": one.title, "status": one.status}
        )
        for one in known
    ]
    return ReadListsOut(animes=titles, job=QueuedJobOut.of(queued)), 200
