"""Releases and their episodes, from the streaming sources."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import TypeAdapter

from app.api.access import CheckedRoute, access
from app.api.conditional import catalogue_answer, is_known_to
from app.api.deps import Page, Services, page_headers
from app.api.openapi.failures import KNOWN_ALREADY, failures
from app.errors import Invalid, NotFound, ServiceUnavailable
from app.schemas.core.releases import EpisodeOut, ReleaseOut
from app.schemas.domain.releases import ReleaseFilter
from app.schemas.fields import Id

router = APIRouter(tags=["releases"], route_class=CheckedRoute)

_RESPONSES = KNOWN_ALREADY | failures(Invalid, NotFound, ServiceUnavailable)
_Releases = TypeAdapter(list[ReleaseOut])
_Episodes = TypeAdapter(list[EpisodeOut])


class ReleasesQuery(Page):
    anime_id: Id | None = None


class EpisodesQuery(Page):
    release_id: Id


@router.get("/releases", response_model=list[ReleaseOut], responses=_RESPONSES)
@access("public")
async def list_releases(
    query: Annotated[ReleasesQuery, Query()], request: Request, services: Services
) -> Response:
    """List releases, most recently changed first; with `anime_id` only those of one anime."""
    wanted = ReleaseFilter(anime_id=query.anime_id)
    page = await services.releases.reading.page(wanted, limit=query.limit, offset=query.start)
    body = _Releases.dump_json([ReleaseOut.of(release) for release in page.releases])
    return conditional_answer(request, body, page_headers(request, query, page.total))


@router.get("/releases/{release_id}", response_model=ReleaseOut, responses=_RESPONSES)
@access("public")
async def get_release(release_id: Annotated[Id, Path()], request: Request, services: Services) -> Response:
    """Get one release by its id."""
    release = await services.releases.reading.get(release_id)
    return conditional_answer(request, ReleaseOut.of(release).model_dump_json().encode(), {})


@router.get("/episodes", response_model=list[EpisodeOut], responses=_RESPONSES)
@access("public")
async def list_episodes(
    query: Annotated[EpisodesQuery, Query()], request: Request, services: Services
) -> Response:
    """List the episodes of a release, in the source's order."""
    episodes, total = await services.releases.reading.episodes(
        query.release_id, limit=query.limit, offset=query.start
    )
    body = _Episodes.dump_json([EpisodeOut.of(episode) for episode in episodes])
    return conditional_answer(request, body, page_headers(request, query, total))


def conditional_answer(request: Request, body: bytes, headers: dict[str, str]) -> Response:
    """The response, or 304 if the client has this version."""
    answer = catalogue_answer(body, headers)
    if is_known_to(request, answer.headers["ETag"]):
        kept = {name: answer.headers[name] for name in ("ETag", "Cache-Control", *headers)}
        return Response(status_code=304, headers=kept)
    return answer
