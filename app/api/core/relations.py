"""Relations between anime, and the watch order of a franchise."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import TypeAdapter

from app.api.access import CheckedRoute, access
from app.api.conditional import catalogue_answer, personal_answer
from app.api.deps import OptionalUser, Services
from app.api.openapi.failures import KNOWN_ALREADY, failures
from app.errors import NotFound, ServiceUnavailable, Unauthenticated
from app.schemas.core.relations import RelationOut, WatchOrderOut, WatchOrderQuery
from app.schemas.fields import Id

router = APIRouter(prefix="/anime", tags=["catalogue"], route_class=CheckedRoute)

AnimeId = Annotated[Id, Path()]


_Relations = TypeAdapter(list[RelationOut])


@router.get(
    "/{anime_id}/relations",
    response_model=list[RelationOut],
    responses=KNOWN_ALREADY | failures(NotFound, ServiceUnavailable),
)
@access("public")
async def list_relations(anime_id: AnimeId, services: Services) -> Response:
    """List related anime and manga: sequels, side stories, summaries, adaptations."""
    relations = await services.catalogue.relations.list(anime_id)
    return catalogue_answer(_Relations.dump_json([RelationOut.of(relation) for relation in relations]))


@router.get(
    "/{anime_id}/watch-order",
    response_model=WatchOrderOut,
    responses=KNOWN_ALREADY | failures(NotFound, Unauthenticated, ServiceUnavailable),
)
@access("public")
async def watch_order(
    anime_id: AnimeId, query: Annotated[WatchOrderQuery, Query()], user: OptionalUser, services: Services
) -> Response:
    """Get the watch order of an anime's franchise; the same from any of its titles.

    With a token it includes your progress and what to watch next.
    """
    order = await services.catalogue.franchises.watch_order(
        anime_id, sort=query.order, include=query.include, user_id=getattr(user, "user_id", None)
    )
    body = WatchOrderOut.of(order).model_dump_json().encode()
    return catalogue_answer(body) if user is None else personal_answer(body)
