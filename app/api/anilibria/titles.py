"""Titles of AniLibria: pages, single titles, search, updates, popular, random, schedule, genres."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.api.access import CheckedRoute, access
from app.api.anilibria.envelope import enveloped, enveloped_page, remember_title
from app.api.anilibria.query import PageQuery, SearchQuery, TitlesQuery
from app.api.deps import Services
from app.api.limits import limited
from app.api.openapi.failures import KNOWN_ALREADY, failures
from app.errors import (
    Invalid,
    NotFound,
    RateLimited,
    ServiceUnavailable,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.schemas.anilibria.envelope import GenresAnswer, ScheduleAnswer, TitleAnswer, TitlesAnswer
from app.schemas.fields import Id
from app.utils.redis.quotas import Quota

REQUESTS = Quota("anilibria", 100, 60, advance=12)

_RESPONSES = KNOWN_ALREADY | failures(
    Invalid, RateLimited, ServiceUnavailable, UpstreamError, UpstreamUnavailable, UpstreamTimeout
)

router = APIRouter(
    prefix="/api/anilibria/v2",
    tags=["AniLibria"],
    route_class=CheckedRoute,
    dependencies=[limited(REQUESTS)],
)


@router.get("/titles", response_model=TitlesAnswer, responses=_RESPONSES)
@access("public")
async def list_titles(
    query: Annotated[TitlesQuery, Query()], request: Request, services: Services
) -> Response:
    """List titles that match every filter, most recently updated first."""
    answer = await services.releases.titles.titles(
        query.wanted(), query.sorting(), page=query.page, limit=query.limit
    )
    return enveloped_page(request, answer, page=query.page, limit=query.limit)


@router.get("/titles/{title_id}", response_model=TitleAnswer, responses=_RESPONSES | failures(NotFound))
@access("public")
async def get_title(title_id: Annotated[Id, Path()], request: Request, services: Services) -> Response:
    """Get one title by AniLibria's id, with all its episodes."""
    answer = await services.releases.titles.title(title_id)
    remember_title(request, title_id, answer)
    return enveloped(request, answer)


@router.get("/search", response_model=TitlesAnswer, responses=_RESPONSES)
@access("public")
async def search_titles(
    query: Annotated[SearchQuery, Query()], request: Request, services: Services
) -> Response:
    """Search titles by any of their names."""
    answer = await services.releases.titles.search(query.q, limit=query.limit, fuzzy=query.fuzzy)
    return enveloped_page(request, answer, page=1, limit=query.limit)


@router.get("/updates", response_model=TitlesAnswer, responses=_RESPONSES)
@access("public")
async def list_updates(
    query: Annotated[PageQuery, Query()], request: Request, services: Services
) -> Response:
    """List the titles with the newest episodes."""
    answer = await services.releases.titles.updates(page=query.page, limit=query.limit)
    return enveloped_page(request, answer, page=query.page, limit=query.limit)


@router.get("/popular", response_model=TitlesAnswer, responses=_RESPONSES)
@access("public")
async def list_popular(
    query: Annotated[PageQuery, Query()], request: Request, services: Services
) -> Response:
    """List the titles with the most favourites."""
    answer = await services.releases.titles.popular(page=query.page, limit=query.limit)
    return enveloped_page(request, answer, page=query.page, limit=query.limit)


@router.get("/random", response_model=TitleAnswer, responses=_RESPONSES)
@access("public")
async def get_random_title(request: Request, services: Services) -> Response:
    """Get a random title."""
    return enveloped(request, await services.releases.titles.random())


@router.get("/schedule", response_model=ScheduleAnswer, responses=_RESPONSES)
@access("public")
async def get_schedule(request: Request, services: Services) -> Response:
    """Get the titles released on each day of the week."""
    return enveloped(request, await services.releases.titles.schedule())


@router.get("/genres", response_model=GenresAnswer, responses=_RESPONSES)
@access("public")
async def list_genres(request: Request, services: Services) -> Response:
    """List AniLibria's genres with the number of titles in each."""
    return enveloped(request, await services.releases.titles.genres())
