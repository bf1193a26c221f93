"""HiAnime's home page, schedule and search, and its health."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api.access import CheckedRoute, access
from app.api.conditional import cached_answer
from app.api.deps import Services
from app.api.hianime.answers import READS, RESPONSES, PassedOnOut
from app.api.hianime.queries import AniwatchSearchQuery, ScheduleQuery, SuggestionQuery
from app.api.limits import ClientGroup, limited
from app.schemas.hianime.health import UpAndRunningOut

router = APIRouter(prefix="/api", tags=["hianime"], route_class=CheckedRoute)


@router.get("/health")
@access("public")
async def check_health(services: Services, response: Response) -> UpAndRunningOut:
    """Report that the service runs, and whether HiAnime responded within the last 30 seconds."""
    response.headers["Cache-Control"] = "no-store"
    return UpAndRunningOut(hianime=await services.hianime.state())


@router.get("/home", response_model=PassedOnOut, responses=RESPONSES, dependencies=[limited(READS)])
@access("public")
async def get_home(request: Request, client: ClientGroup, services: Services) -> Response:
    """Get the lists of HiAnime's home page."""
    return cached_answer(request, await services.hianime.home(client=client))


@router.get("/schedule", response_model=PassedOnOut, responses=RESPONSES, dependencies=[limited(READS)])
@access("public")
async def get_schedule(
    query: Annotated[ScheduleQuery, Query()], request: Request, client: ClientGroup, services: Services
) -> Response:
    """Get the titles that air on a day; today in UTC by default."""
    answer = await services.hianime.schedule(query.day, query.tz_offset, client=client)
    return cached_answer(request, answer)


@router.get("/search", response_model=PassedOnOut, responses=RESPONSES, dependencies=[limited(READS)])
@access("public")
async def search(
    query: Annotated[AniwatchSearchQuery, Query()], request: Request, client: ClientGroup, services: Services
) -> Response:
    """Search HiAnime."""
    return cached_answer(request, await services.hianime.search(query.asked(), client=client))


@router.get(
    "/search/suggestion", response_model=PassedOnOut, responses=RESPONSES, dependencies=[limited(READS)]
)
@access("public")
async def suggest(
    query: Annotated[SuggestionQuery, Query()], request: Request, client: ClientGroup, services: Services
) -> Response:
    """Get suggestions for a partly typed title."""
    return cached_answer(request, await services.hianime.suggest(query.q, client=client))
