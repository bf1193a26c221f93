"""Collections: lists of anime that a user puts together."""

from typing import Annotated

from fastapi import Path, Request, Response

from app.api.access import access
from app.api.deps import CurrentUser, Paging, Services, set_page_headers
from app.api.idempotency import idempotent_router
from app.api.links import page_url, redirect_browser
from app.api.openapi.failures import Responses
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
_PAGE_INSTEAD: Responses = {303: {"description": "To the page that shows it; for `Accept: text/html` only."}}


@router.get("")
@access("read:content")
async def list_collections(
    page: Paging, user: CurrentUser, services: Services, request: Request, response: Response
) -> list[CollectionOut]:
    """List your collections, newest first."""
    found, total = await services.watching.collections.list_own(
        user.user_id, limit=page.limit, offset=page.start
    )
    set_page_headers(request, response, page, total)
    return [CollectionOut.of(collection) for collection in found]


@router.post("", status_code=201)
@access("write:content")
async def create_collection(body: CollectionIn, user: CurrentUser, services: Services) -> CollectionOut:
    """Create a collection; private unless `is_public` is true."""
    return CollectionOut.of(await services.watching.collections.create(user.user_id, **body.model_dump()))


@router.get("/shared/{token}", response_model=SharedCollectionOut, responses=_PAGE_INSTEAD)
@access("public")
async def get_shared_collection(
    token: Annotated[str, Path(max_length=100)],
    page: Paging,
    services: Services,
    request: Request,
    response: Response,
) -> Response | SharedCollectionOut:
    """Get a shared collection by its link; no sign-in needed. A browser is led to the page that shows it."""
    response.headers["Vary"] = "Accept"
    find = services.watching.collections.get_shared
    return redirect_browser(request, f"/shared/{token}") or SharedCollectionOut.shown(
        *await find(token, limit=page.limit, offset=page.start)
    )


@router.get("/{collection_id}")
@access("read:content")
async def get_collection(collection_id: CollectionId, user: CurrentUser, services: Services) -> CollectionOut:
    """Get one of your collections, or a public one."""
    return CollectionOut.of(await services.watching.collections.get(collection_id, user.user_id))


@router.patch("/{collection_id}")
@access("write:content")
async def edit_collection(
    collection_id: CollectionId, body: CollectionPatch, user: CurrentUser, services: Services
) -> CollectionOut:
    """Update the name, description or visibility of a collection."""
    return CollectionOut.of(
        await services.watching.collections.edit(collection_id, user.user_id, body.sent())
    )


@router.delete("/{collection_id}", status_code=204)
@access("write:content")
async def delete_collection(collection_id: CollectionId, user: CurrentUser, services: Services) -> None:
    """Delete a collection. The anime in it stay on your list."""
    await services.watching.collections.delete(collection_id, user.user_id)


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
    """List the anime in a collection, in order."""
    items, total = await services.watching.collections.list_items(
        collection_id, user.user_id, limit=page.limit, offset=page.start
    )
    set_page_headers(request, response, page, total)
    return [CollectionItemOut.of(item) for item in items]


@router.post("/{collection_id}/items", status_code=201)
@access("write:content")
async def put_collection_item(
    collection_id: CollectionId, body: CollectionItemIn, user: CurrentUser, services: Services
) -> CollectionItemOut:
    """Add an anime to a collection, at the end or at a given position."""
    item = await services.watching.collections.put(collection_id, user.user_id, body.anime_id, body.position)
    return CollectionItemOut.of(item)


@router.delete("/{collection_id}/items/{anime_id}", status_code=204)
@access("write:content")
async def take_collection_item_out(
    collection_id: CollectionId, anime_id: Annotated[Id, Path()], user: CurrentUser, services: Services
) -> None:
    """Remove an anime from a collection; succeeds if it is not in it."""
    await services.watching.collections.remove_item(collection_id, user.user_id, anime_id)


@router.post("/{collection_id}/share")
@access("write:content")
async def share_collection(
    collection_id: CollectionId, user: CurrentUser, services: Services, request: Request
) -> ShareOut:
    """Create a share link for a collection; replaces an earlier link.

    It leads to `/collections/shared/{token}` at `APP_URL`; else here, where a browser gets the page.
    """
    return _shown(request, await services.watching.collections.share(collection_id, user.user_id))


@router.get("/{collection_id}/share")
@access("write:content")
async def get_collection_share(
    collection_id: CollectionId, user: CurrentUser, services: Services, request: Request
) -> ShareOut:
    """Get the share link of one of your collections again; 404 if there is none."""
    return _shown(request, await services.watching.collections.find_share(collection_id, user.user_id))


@router.delete("/{collection_id}/share", status_code=204)
@access("write:content")
async def unshare_collection(collection_id: CollectionId, user: CurrentUser, services: Services) -> None:
    """Revoke the share link of a collection."""
    await services.watching.collections.unshare(collection_id, user.user_id)


def _shown(request: Request, token: str) -> ShareOut:
    return ShareOut(
        share_url=page_url(request, request.app.url_path_for("get_shared_collection", token=token))
    )
