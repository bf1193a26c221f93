"""List entries by their own id, also without a catalogue title; marks for a grid of titles."""

from typing import Annotated

from fastapi import Path, Request, Response

from app.api.access import access
from app.api.conditional import IfMatch, entry_answer, undone_answer
from app.api.deps import CurrentUser, Paging, Services, set_page_headers
from app.api.idempotency import idempotent_router
from app.api.library_query import MarksQuery
from app.schemas.core.library import ChangeOut, EntryOut, EntryPatch, MarkOut
from app.schemas.fields import BigId
from app.services.library import Operation, Target

router = idempotent_router("/users/me", "list")

EntryId = Annotated[BigId, Path(description="The `id` of the entry, not of the anime.")]
_ORIGIN = "api"


@router.get("/marks", response_model=dict[str, MarkOut | None], openapi_extra=MarksQuery.parameters())
@access("read:content")
async def get_marks(user: CurrentUser, services: Services, request: Request) -> Response:
    """Get your status, progress, score and favourite mark for up to 100 anime, by anime id.

    Null where the anime is neither on your list nor a favourite.
    """
    query = MarksQuery.read(request)
    marks = await services.library.entries.marks(user.user_id, query.anime_id)
    return Response(marks, media_type="application/json")


@router.get("/entries/{entry_id}", response_model=EntryOut)
@access("read:content")
async def get_entry_by_id(entry_id: EntryId, user: CurrentUser, services: Services) -> Response:
    """Get a list entry by its own id; send its ETag as `If-Match` to update it safely."""
    return entry_answer(await services.library.entries.show(user.user_id, Target(entry_id=entry_id), "core"))


@router.patch("/entries/{entry_id}", response_model=EntryOut)
@access("write:content")
async def edit_entry_by_id(
    entry_id: EntryId, body: EntryPatch, user: CurrentUser, services: Services, if_match: IfMatch
) -> Response:
    """Update the fields that are sent; all other fields keep their values."""
    operation = Operation("update", Target(entry_id=entry_id), body.sent(), body.progress_delta, if_match)
    return entry_answer(await services.library.entries.edit(user.user_id, operation, origin=_ORIGIN))


@router.delete("/entries/{entry_id}", status_code=204)
@access("write:content")
async def delete_entry_by_id(
    entry_id: EntryId, user: CurrentUser, services: Services, if_match: IfMatch
) -> None:
    """Remove an entry from your list."""
    target = Target(entry_id=entry_id)
    await services.library.entries.delete(user.user_id, target, origin=_ORIGIN, versions=if_match)


@router.get("/entries/{entry_id}/history")
@access("read:content")
async def list_changes_by_id(
    entry_id: EntryId,
    page: Paging,
    user: CurrentUser,
    services: Services,
    request: Request,
    response: Response,
) -> list[ChangeOut]:
    """List the changes of an entry, newest first; those of a deleted entry too."""
    changes, total = await services.library.entries.history(
        user.user_id, Target(entry_id=entry_id), limit=page.limit, offset=page.start
    )
    set_page_headers(request, response, page, total)
    return [ChangeOut.of(change) for change in changes]


@router.post("/entries/{entry_id}/undo", response_model=EntryOut | None)
@access("write:content")
async def undo_by_id(entry_id: EntryId, user: CurrentUser, services: Services) -> Response:
    """Undo the last change of an entry, a deletion too; null if that removed it from the list."""
    return undone_answer(await services.library.entries.undo(user.user_id, Target(entry_id=entry_id)))
