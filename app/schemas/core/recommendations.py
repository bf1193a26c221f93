"""Recommendations as the core surface shows them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.core.anime import EXAMPLE, AnimeOut


class RecommendationQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=50)] = 10


class RecommendationOut(AnimeOut):
    """A title as the catalogue shows it, and why it is recommended, in a few words for a person."""

    model_config = ConfigDict(
        json_schema_extra={"example": {**EXAMPLE, "reason": "Because you rated Samurai Champloo 9"}}
    )

    reason: str
