"""Favourites."""

from typing import Annotated

from fastapi import Path, Request, Response

from app.api.access import access
from app.api.deps import CurrentUser, Paging, Services, set_page_headers
from app.api.idempotency import idempotent_router
from app.api.openapi.failures import failures
from app.errors import Conflict, NotFound
from app.schemas.core.watching import FavoriteIn, FavoriteOut
from app.schemas.fields import Id

router = idempotent_router("/favorites", "favorites")


@router.get("")
@access("read:content")
async def list_favorites(
    page: Paging, user: CurrentUser, services: Services, request: Request, response: Response
) -> list[FavoriteOut]:
    """List your favourites, newest first."""
    favorites, total = await services.watching.favorites.list_own(
        user.user_id, limit=page.limit, offset=page.start
    )
    set_page_headers(request, response, page, total)
    return [FavoriteOut.of(favorite) for favorite in favorites]


@router.post("", status_code=201, responses=failures(NotFound, Conflict))
@access("write:content")
async def add_favorite(body: FavoriteIn, user: CurrentUser, services: Services) -> FavoriteOut:
    """Add an anime to your favourites; 409 if it is already one."""
    return FavoriteOut.of(await services.watching.favorites.add(user.user_id, body.anime_id))


@router.put(
    "/{anime_id}",
    responses={201: {"model": FavoriteOut, "description": "The anime is a favourite now."}},
)
@access("write:content")
async def put_favorite(
    anime_id: Annotated[Id, Path()], user: CurrentUser, services: Services, response: Response
) -> FavoriteOut:
    """Make an anime one of your favourites; 200 if it is already one."""
    favorite, created = await services.watching.favorites.put(user.user_id, anime_id)
    response.status_code = 201 if created else 200
    return FavoriteOut.of(favorite)


@router.delete("/{anime_id}", status_code=204)
@access("write:content")
async def remove_favorite(anime_id: Annotated[Id, Path()], user: CurrentUser, services: Services) -> None:
    """Remove an anime from your favourites; succeeds if it is not one."""
    await services.watching.favorites.remove(user.user_id, anime_id)
