"""A person's anime list."""

from typing import Annotated, Literal

from fastapi import Path, Query, Request, Response

from app.api.access import access
from app.api.batch import BatchDraft
from app.api.conditional import IfMatch, entry_answer
from app.api.deps import CurrentUser, Page, Paging, Services, page_headers, set_page_headers
from app.api.idempotency import idempotent_router
from app.api.openapi.failures import failures
from app.errors import Conflict, NotFound
from app.schemas.core.library import BatchIn, BatchOut, ChangeOut, EntryIn, EntryOut, EntryPatch, TombstoneOut
from app.schemas.domain.library import EntryStatus
from app.schemas.fields import Id, Instant
from app.services.library import ListFilter, Operation, Target

router = idempotent_router("/users/me/list", "list")

AnimeId = Annotated[Id, Path()]
Sort = Literal[
    "created", "-created", "updated", "-updated", "title", "-title", "score", "-score",
    "progress", "-progress", "started", "-started", "finished", "-finished",
]  # fmt: skip
_ORIGIN = "api"


class ListQuery(Page):
    """``updated_since`` answers what changed, deleted entries too, the latest change first."""

    status: EntryStatus | None = None
    sort: Sort = "-created"
    updated_since: Instant | None = None

    def wanted(self) -> ListFilter:
        return ListFilter(status=self.status, updated_since=self.updated_since, sort=self.sort)


@router.get("", response_model=list[EntryOut | TombstoneOut])
@access("read:content")
async def list_entries(
    query: Annotated[ListQuery, Query()], user: CurrentUser, services: Services, request: Request
) -> Response:
    """List the anime on your list, newest first."""
    page = await services.library.entries.list_anime(
        user.user_id, query.wanted(), limit=query.limit, offset=query.start
    )
    headers = page_headers(request, query, page.total)
    return Response(page.body, headers=headers, media_type="application/json")


@router.post("", status_code=201, response_model=EntryOut, responses=failures(NotFound, Conflict))
@access("write:content")
async def add_entry(body: EntryIn, user: CurrentUser, services: Services) -> Response:
    """Add an anime to your list."""
    target = Target(anime_id=body.anime_id, mal_id=body.mal_id)
    entry = await services.library.entries.add(user.user_id, target, body.sent(), origin=_ORIGIN)
    return entry_answer(entry, status=201, headers={"Location": f"/users/me/list/{entry.anime_id}"})


@router.post("/batch", response_model=BatchOut)
@access("write:content")
async def batch(body: BatchIn, user: CurrentUser, services: Services) -> Response:
    """Run up to 500 list operations; each has its own result, and a failed one does not stop the others."""
    draft = BatchDraft(body)
    return draft.answer(*await services.library.entries.batch(user.user_id, draft.operations, origin=_ORIGIN))


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
    """Remove an anime from your list; other devices see the removal with `updated_since`."""
    await services.library.entries.delete(
        user.user_id, Target(anime_id=anime_id), origin=_ORIGIN, versions=if_match
    )


@router.get("/{anime_id}/history")
@access("read:content")
async def history(
    anime_id: AnimeId,
    page: Paging,
    user: CurrentUser,
    services: Services,
    request: Request,
    response: Response,
) -> list[ChangeOut]:
    """List the changes of an entry, newest first."""
    changes, total = await services.library.entries.history(
        user.user_id, anime_id, limit=page.limit, offset=page.start
    )
    set_page_headers(request, response, page, total)
    return [ChangeOut.of(change) for change in changes]


@router.post("/{anime_id}/undo", response_model=EntryOut | None)
@access("write:content")
async def undo(anime_id: AnimeId, user: CurrentUser, services: Services) -> Response:
    """Undo the last change of an entry; null if that removed it from the list."""
    entry = await services.library.entries.undo(user.user_id, anime_id)
    return Response(b"null", media_type="application/json") if entry is None else entry_answer(entry)
