"""How anime belong together: relations."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import TypeAdapter

from app.api.access import CheckedRoute, access
from app.api.conditional import catalogue_answer
from app.api.deps import Services
from app.api.openapi.failures import KNOWN_ALREADY, failures
from app.errors import NotFound, ServiceUnavailable
from app.schemas.core.relations import RelationOut
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
    """List what other anime and manga are to this one: sequels, side stories, summaries, adaptations."""
    relations = await services.catalogue.relations.list(anime_id)
    return catalogue_answer(_Relations.dump_json([RelationOut.of(relation) for relation in relations]))
