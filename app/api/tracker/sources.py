"""Sources of titles to add to a list: AniList, MangaDex, the catalogue."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from app.api.access import CheckedRoute, access
from app.api.deps import CurrentUser, Services
from app.api.limits import SEARCHES, limited
from app.api.openapi.failures import failures
from app.errors import RateLimited, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.schemas.domain.sources import Suggestion
from app.schemas.fields import storable
from app.schemas.tracker.library import AnyType
from app.schemas.tracker.sources import SOURCES, MaxOut, SourceOut, SuggestionOut

router = APIRouter(
    prefix="/api/sources",
    tags=["tracker: sources"],
    route_class=CheckedRoute,
    dependencies=[limited(SEARCHES)],
    responses=failures(RateLimited),
)

_Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100), AfterValidator(storable)]


class WordsQuery(BaseModel):
    """``q`` is a title or the beginning of one; fewer than two letters find nothing."""

    model_config = ConfigDict(extra="ignore")

    q: _Words


class TitleQuery(WordsQuery):
    type: AnyType = "manga"


class SearchQuery(WordsQuery):
    type: AnyType | None = None


@router.get("")
@access("read:content")
async def list_sources() -> list[SourceOut]:
    """List the available sources."""
    return SOURCES


@router.get("/search")
@access("read:content")
async def search(query: Annotated[SearchQuery, Query()], services: Services) -> list[SuggestionOut]:
    """Search the catalogue by title, for one media type or both."""
    return _shown(await services.sources.search(query.q, query.type))


@router.get("/autocomplete")
@access("read:content")
async def autocomplete(
    query: Annotated[TitleQuery, Query()], user: CurrentUser, services: Services
) -> list[SuggestionOut]:
    """Suggest up to eight titles from AniList, or from the catalogue if AniList is unavailable."""
    return _shown(await services.sources.autocomplete(query.q, query.type, client=_client(user.user_id)))


@router.get("/max")
@access("read:content")
async def get_max(query: Annotated[TitleQuery, Query()], user: CurrentUser, services: Services) -> MaxOut:
    """Get the number of episodes or chapters of a title: from your list, the catalogue, or AniList."""
    found = await services.sources.total(user.user_id, query.q, query.type, client=_client(user.user_id))
    return MaxOut(max=found)


@router.get(
    "/mangadex/search", responses=failures(RateLimited, UpstreamError, UpstreamUnavailable, UpstreamTimeout)
)
@access("read:content")
async def search_mangadex(
    query: Annotated[WordsQuery, Query()], user: CurrentUser, services: Services
) -> list[SuggestionOut]:
    """Search MangaDex."""
    return _shown(await services.sources.search_mangadex(query.q, client=_client(user.user_id)))


def _client(user_id: int) -> str:
    return f"person {user_id}"


def _shown(found: list[Suggestion]) -> list[SuggestionOut]:
    return [
        SuggestionOut.model_validate({**{n: getattr(one, n) for n in _SAME}, "type": one.media_type})
        for one in found
    ]


_SAME = tuple(name for name in SuggestionOut.model_fields if name != "type")
