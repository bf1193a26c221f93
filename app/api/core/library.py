"""The user's anime list."""

from typing import Annotated

from fastapi import Path, Request, Response

from app.api.access import access
from app.api.batch import BatchDraft
from app.api.conditional import IfMatch, entry_answer, private_answer, undone_answer
from app.api.deps import CurrentUser, Paging, Services, page_headers, set_page_headers
from app.api.idempotency import idempotent_router
from app.api.library_query import ChangesQuery, ListQuery
from app.api.openapi.failures import KNOWN_ALREADY, LOCATED, failures
from app.errors import Conflict, NotFound
from app.schemas.core.library import (
    BatchIn,
    BatchOut,
    ChangeOut,
    EntryIn,
    EntryOut,
    EntryPatch,
    EntryPut,
    ListChangesOut,
    changes_body,
)
from app.schemas.fields import Id
from app.services.library import Operation, Target

router = idempotent_router("/users/me/list", "list")

AnimeId = Annotated[Id, Path()]
_ORIGIN = "api"


@router.get("", response_model=list[EntryOut], openapi_extra=ListQuery.parameters(), responses=KNOWN_ALREADY)
@access("read:content")
async def list_entries(user: CurrentUser, services: Services, request: Request) -> Response:
    """List the anime on your list, newest first."""
    query = ListQuery.read(request)
    page = await services.library.entries.list_anime(
        user.user_id, query.wanted(), query.shape, limit=query.limit, offset=query.start
    )
    return private_answer(request, page.body, page_headers(request, query, page.total))


@router.post("", status_code=201, response_model=EntryOut, responses=LOCATED | failures(NotFound, Conflict))
@access("write:content")
async def add_entry(body: EntryIn, user: CurrentUser, services: Services) -> Response:
    """Add an anime to your list."""
    target = Target(anime_id=body.anime_id, mal_id=body.mal_id)
    entry = await services.library.entries.add(user.user_id, target, body.sent(), origin=_ORIGIN)
    return entry_answer(entry, status=201, headers={"Location": f"/users/me/list/{entry.anime_id}"})


@router.post("/batch", response_model=BatchOut)
@access("write:content")
async def run_batch(body: BatchIn, user: CurrentUser, services: Services) -> Response:
    """Run up to 500 list operations; each has its own result, and a failed one does not stop the others."""
    draft = BatchDraft(body)
    return draft.answer(await services.library.entries.batch(user.user_id, draft.operations, origin=_ORIGIN))


@router.get("/changes", response_model=ListChangesOut, openapi_extra=ChangesQuery.parameters())
@access("read:content")
async def list_changes(user: CurrentUser, services: Services, request: Request) -> Response:
    """List changes of your list, oldest first; pass `until` as `since` to continue from there.

    For clients that keep a copy of the list: with repeated requests none misses a change or gets one twice. A
    title that was deleted and added again appears only in `entries`.
    """
    query = ChangesQuery.read(request)
    since, after = query.since or (None, 0)
    changes = await services.library.entries.list_changes(
        user.user_id, query.shape, since=since, after=after, limit=query.limit
    )
    return Response(changes_body(changes, since), media_type="application/json")


@router.put(
    "/{anime_id}",
    response_model=EntryOut,
    responses={201: {"model": EntryOut, "description": "The title was added."}},
)
@access("write:content")
async def put_entry(
    anime_id: AnimeId, body: EntryPut, user: CurrentUser, services: Services, if_match: IfMatch
) -> Response:
    """Add an anime to your list, or update the fields that are sent if it is there; safe to repeat."""
    entry, created = await services.library.entries.put(
        user.user_id, Target(anime_id=anime_id), body.sent(), origin=_ORIGIN, versions=if_match
    )
    return entry_answer(entry, status=201 if created else 200)


@router.get("/{anime_id}", response_model=EntryOut)
@access("read:content")
async def get_entry(anime_id: AnimeId, user: CurrentUser, services: Services) -> Response:
    """Get one list entry; send its ETag as `If-Match` to update it safely."""
    return entry_answer(await services.library.entries.show(user.user_id, Target(anime_id=anime_id), "core"))


@router.patch("/{anime_id}", response_model=EntryOut)
@access("write:content")
async def edit_entry(
    anime_id: AnimeId, body: EntryPatch, user: CurrentUser, services: Services, if_match: IfMatch
) -> Response:
    """Update the fields that are sent; all other fields keep their values."""
    operation = Operation("update", Target(anime_id=anime_id), body.sent(), body.progress_delta, if_match)
    return entry_answer(await services.library.entries.edit(user.user_id, operation, origin=_ORIGIN))


@router.delete("/{anime_id}", status_code=204)
@access("write:content")
async def delete_entry(anime_id: AnimeId, user: CurrentUser, services: Services, if_match: IfMatch) -> None:
    """Remove an anime from your list; other devices see it in `/users/me/list/changes`."""
    await services.library.entries.delete(
        user.user_id, Target(anime_id=anime_id), origin=_ORIGIN, versions=if_match
    )


@router.get("/{anime_id}/history")
@access("read:content")
async def list_entry_history(
    anime_id: AnimeId,
    page: Paging,
    user: CurrentUser,
    services: Services,
    request: Request,
    response: Response,
) -> list[ChangeOut]:
    """List the changes of an entry, newest first."""
    changes, total = await services.library.entries.history(
        user.user_id, Target(anime_id=anime_id), limit=page.limit, offset=page.start
    )
    set_page_headers(request, response, page, total)
    return [ChangeOut.of(change) for change in changes]


@router.post("/{anime_id}/undo", response_model=EntryOut | None)
@access("write:content")
async def undo_entry(anime_id: AnimeId, user: CurrentUser, services: Services) -> Response:
    """Undo the last change of an entry; null if that removed it from the list."""
    return undone_answer(await services.library.entries.undo(user.user_id, Target(anime_id=anime_id)))
