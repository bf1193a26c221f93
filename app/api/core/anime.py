"""Catalogue routes: lists of titles, single titles, titles added by hand."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.api.access import access
from app.api.catalogue_query import CatalogueQuery, TitleQuery
from app.api.conditional import catalogue_answer, catalogue_page
from app.api.deps import Services
from app.api.idempotency import HONOURS_KEY, IdempotentRoute
from app.api.limits import SEARCHES, is_search, limited
from app.api.openapi.failures import KNOWN_ALREADY, LOCATED, failures
from app.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    ServiceUnavailable,
    Unauthenticated,
)
from app.schemas.core.anime import AnimeIn, AnimeOut
from app.schemas.fields import Id

router = APIRouter(prefix="/anime", tags=["catalogue"], route_class=IdempotentRoute)

AnimeId = Annotated[Id, Path()]


@router.get(
    "",
    response_model=list[AnimeOut],
    openapi_extra=CatalogueQuery.parameters(),
    responses=KNOWN_ALREADY | failures(Invalid, RateLimited, ServiceUnavailable),
    dependencies=[limited(SEARCHES, when=is_search)],
)
@access("public")
async def list_anime(request: Request, services: Services) -> Response:
    """List anime that match every filter. With `search` it shares the rate limit of `/search/anime`."""
    query = CatalogueQuery.read(request)
    page = await services.catalogue.anime.list(query.wanted(), query.sort, query.part)
    return catalogue_page(request, query, page)


@router.get(
    "/{anime_id}",
    response_model=AnimeOut,
    openapi_extra=TitleQuery.parameters(),
    responses=KNOWN_ALREADY | failures(NotFound, Invalid, ServiceUnavailable),
)
@access("public")
async def get_anime(anime_id: AnimeId, request: Request, services: Services) -> Response:
    """Get one anime by its id."""
    query = TitleQuery.read(request)
    anime = await services.catalogue.anime.get(anime_id, query.keys)
    return catalogue_answer(anime.body)


@router.post(
    "",
    status_code=201,
    dependencies=[HONOURS_KEY],
    response_model=AnimeOut,
    responses=LOCATED | failures(Unauthenticated, Forbidden, Conflict, Invalid, ServiceUnavailable),
)
@access("write:catalog")
async def add_anime(body: AnimeIn, services: Services) -> Response:
    """Add an anime by hand. If it already exists, the answer is 409 with its id."""
    anime = await services.catalogue.anime.create(body.stated())
    headers = {"Location": f"/anime/{anime.id}"}
    return Response(anime.body, 201, headers, media_type="application/json")
