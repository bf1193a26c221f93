"""Relations of a title as the core surface shows them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.core.watching import CardOut
from app.schemas.domain.library import MediaType
from app.schemas.domain.relations import Relation, RelationType


class RelationOut(BaseModel):
    """What another title is to this one: with `sequel`, the other is the sequel of this one."""

    model_config = ConfigDict(from_attributes=True)

    type: RelationType
    sources: Annotated[list[str], Field(description="Who states it: `mal`, or the source a dump names.")]
    inferred: Annotated[bool, Field(description="Only the other title states it, the other way round.")]
    disputed: Annotated[bool, Field(description="Its sources contradict each other; the dates decided.")]
    media_type: MediaType
    anime: Annotated[CardOut | None, Field(description="Null for manga and for titles we do not have.")]
    title: str | None
    mal_id: int

    @classmethod
    def of(cls, relation: Relation) -> "RelationOut":
        return cls.model_validate(relation)
