"""The tracker page's library: the same entries, including manga and titles that are not in the catalogue."""

from typing import Annotated, Literal

from fastapi import Path, Query, Request, Response
from pydantic import Field

from app.api.access import access
from app.api.conditional import IfMatch, entry_answer
from app.api.deps import MAX_LIMIT, CurrentUser, Page, Services, page_headers
from app.api.idempotency import idempotent_router
from app.api.library_query import SearchText
from app.api.limits import limited_by_person
from app.api.openapi.failures import failures
from app.errors import RateLimited, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.schemas.domain.library import Shape
from app.schemas.fields import BigId
from app.schemas.tracker.library import (
    AnyStatus,
    AnyType,
    ItemDeletedOut,
    ItemIn,
    ItemOut,
    ItemPatch,
    SummaryOut,
)
from app.services.library import ItemFilter, Operation, Target
from app.services.library.anilist_refresh import REFRESHES
from app.utils.text.cleaning import INT_MAX

router = idempotent_router("/api/library", "tracker: library")

ItemId = Annotated[BigId, Path()]
_ORIGIN = "tracker"
_SHAPE: Shape = "tracker"


class ItemQuery(Page):
    """Without ``limit`` all items are returned."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = INT_MAX
    type: AnyType | None = None
    status: AnyStatus | None = None
    q: SearchText | None = None
    sort: Literal["updated_at", "-updated_at", "title", "-title"] = "-updated_at"

    def wanted(self) -> ItemFilter:
        return ItemFilter(media_type=self.type, status=self.status, q=self.q, sort=self.sort)


@router.get("/items", response_model=list[ItemOut])
@access("read:content")
async def list_items(
    query: Annotated[ItemQuery, Query()], user: CurrentUser, services: Services, request: Request
) -> Response:
    """List all library items, most recently updated first."""
    page = await services.library.entries.list_items(
        user.user_id, query.wanted(), limit=query.limit, offset=query.start
    )
    headers = page_headers(request, query, page.total)
    return Response(page.body, headers=headers, media_type="application/json")


@router.post("/items", response_model=ItemOut)
@access("write:content")
async def add_item(body: ItemIn, user: CurrentUser, services: Services) -> Response:
    """Add an item; it is linked to the catalogue anime with the same ids, whose title is then shown."""
    target = Target(subject=body.subject())
    entry = await services.library.entries.add(
        user.user_id, target, body.sent(), origin=_ORIGIN, shape=_SHAPE
    )
    return entry_answer(entry)


@router.get("/items/{item_id}", response_model=ItemOut)
@access("read:content")
async def get_item(item_id: ItemId, user: CurrentUser, services: Services) -> Response:
    """Get one item."""
    return entry_answer(await services.library.entries.show(user.user_id, Target(entry_id=item_id), _SHAPE))


@router.patch("/items/{item_id}", response_model=ItemOut)
@access("write:content")
async def edit_item(
    item_id: ItemId, body: ItemPatch, user: CurrentUser, services: Services, if_match: IfMatch
) -> Response:
    """Update the fields that are sent and not null."""
    operation = Operation("update", Target(entry_id=item_id), body.sent(), versions=if_match)
    entry = await services.library.entries.edit(user.user_id, operation, origin=_ORIGIN, shape=_SHAPE)
    return entry_answer(entry)


@router.delete("/items/{item_id}")
@access("write:content")
async def delete_item(
    item_id: ItemId, user: CurrentUser, services: Services, if_match: IfMatch
) -> ItemDeletedOut:
    """Delete an item; succeeds if it does not exist."""
    target = Target(entry_id=item_id)
    await services.library.entries.discard(user.user_id, target, origin=_ORIGIN, versions=if_match)
    return ItemDeletedOut()


@router.post(
    "/items/{item_id}/refresh",
    response_model=ItemOut,
    dependencies=[limited_by_person(REFRESHES)],
    responses=failures(RateLimited, UpstreamError, UpstreamUnavailable, UpstreamTimeout),
)
@access("write:content")
async def refresh_item(item_id: ItemId, user: CurrentUser, services: Services) -> Response:
    """Refresh the title, cover, format, URL and total of an item from AniList."""
    entry = await services.library.anilist_refresh.refresh(user.user_id, item_id)
    return entry_answer(entry)


@router.get("/summary")
@access("read:content")
async def summarize(user: CurrentUser, services: Services) -> SummaryOut:
    """Get item counts by type and by status."""
    return SummaryOut.of(await services.library.entries.count(user.user_id))
