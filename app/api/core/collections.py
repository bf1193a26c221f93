"""Collections: lists of one's own making."""

from typing import Annotated

from fastapi import Path, Request, Response

from app.api.access import access
from app.api.deps import CurrentUser, Paging, Services, set_page_headers
from app.api.idempotency import idempotent_router
from app.api.links import absolute_url
from app.schemas.core.watching import (
    CollectionIn,
    CollectionItemIn,
    CollectionItemOut,
    CollectionOut,
    CollectionPatch,
    SharedCollectionOut,
    ShareOut,
)
from app.schemas.fields import BigId, Id

router = idempotent_router("/collections", "collections")

CollectionId = Annotated[BigId, Path()]


@router.get("")
@access("read:content")
async def list_collections(
    page: Paging, user: CurrentUser, services: Services, request: Request, response: Response
) -> list[CollectionOut]:
    """One's own collections, newest first."""
    found, total = await services.collections.list_own(user.user_id, limit=page.limit, offset=page.start)
    set_page_headers(request, response, page, total)
    return [CollectionOut.of(collection) for collection in found]


@router.post("", status_code=201)
@access("write:content")
async def create_collection(body: CollectionIn, user: CurrentUser, services: Services) -> CollectionOut:
    """Make a collection; it is private unless said otherwise."""
    return CollectionOut.of(await services.collections.create(user.user_id, **body.model_dump()))


@router.get("/shared/{token}")
@access("public")
async def get_shared(
    token: Annotated[str, Path(max_length=100)], page: Paging, services: Services
) -> SharedCollectionOut:
    """What a share link shows, without signing in."""
    collection, items = await services.collections.get_shared(token, limit=page.limit, offset=page.start)
    return SharedCollectionOut.shown(collection, items)


@router.get("/{collection_id}")
@access("read:content")
async def get_collection(collection_id: CollectionId, user: CurrentUser, services: Services) -> CollectionOut:
    """One's own collection, or a public one."""
    return CollectionOut.of(await services.collections.get(collection_id, user.user_id))


@router.patch("/{collection_id}")
@access("write:content")
async def edit_collection(
    collection_id: CollectionId, body: CollectionPatch, user: CurrentUser, services: Services
) -> CollectionOut:
    """Rename, describe, make public or private."""
    return CollectionOut.of(await services.collections.edit(collection_id, user.user_id, body.sent()))


@router.delete("/{collection_id}", status_code=204)
@access("write:content")
async def delete_collection(collection_id: CollectionId, user: CurrentUser, services: Services) -> None:
    """Delete a collection; the list keeps its titles."""
    await services.collections.delete(collection_id, user.user_id)


@router.get("/{collection_id}/items")
@access("read:content")
async def list_collection_items(
    collection_id: CollectionId,
    page: Paging,
    user: CurrentUser,
    services: Services,
    request: Request,
    response: Response,
) -> list[CollectionItemOut]:
    """What is in a collection, in its order."""
    items, total = await services.collections.list_items(
        collection_id, user.user_id, limit=page.limit, offset=page.start
    )
    set_page_headers(request, response, page, total)
    return [CollectionItemOut.of(item) for item in items]


@router.post("/{collection_id}/items", status_code=201)
@access("write:content")
async def put_collection_item(
    collection_id: CollectionId, body: CollectionItemIn, user: CurrentUser, services: Services
) -> CollectionItemOut:
    """Add a title at the end, or put it at a place."""
    item = await services.collections.put(collection_id, user.user_id, body.anime_id, body.position)
    return CollectionItemOut.of(item)


@router.delete("/{collection_id}/items/{anime_id}", status_code=204)
@access("write:content")
async def take_collection_item_out(
    collection_id: CollectionId, anime_id: Annotated[Id, Path()], user: CurrentUser, services: Services
) -> None:
    """Take a title out; one that is not in is no error."""
    await services.collections.take_out(collection_id, user.user_id, anime_id)


@router.post("/{collection_id}/share")
@access("write:content")
async def share_collection(
    collection_id: CollectionId, user: CurrentUser, services: Services, request: Request
) -> ShareOut:
    """A link that shows the collection without signing in; an earlier link ends."""
    token = await services.collections.share(collection_id, user.user_id)
    return ShareOut(share_url=absolute_url(request, request.app.url_path_for("get_shared", token=token)))


@router.delete("/{collection_id}/share", status_code=204)
@access("write:content")
async def unshare_collection(collection_id: CollectionId, user: CurrentUser, services: Services) -> None:
    """End the link."""
    await services.collections.unshare(collection_id, user.user_id)
