"""Schemas of recommendations."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.schemas.core.anime import EXAMPLE, AnimeOut
from app.schemas.core.watching import CardOut

_CARD = {
    key: EXAMPLE[key]
    for key in (
        "id",
        "mal_id",
        "title",
        "image_url",
        "score",
        "episodes",
        "title_english",
        "title_russian",
        "title_japanese",
    )
}
_WHY: dict[str, JsonValue] = {
    "part": "discover",
    "reason": "Because you liked Samurai Champloo and Trigun",
    "because": [{"id": 205, "title": "Samurai Champloo"}, {"id": 6, "title": "Trigun"}],
}


class BecauseOut(BaseModel):
    """A title on your list that a recommendation is based on."""

    id: int
    title: str


class RecommendationOut(AnimeOut):
    """A title of the catalogue, and why it is recommended.

    ``because`` has the titles named by ``reason``, at most two: those on your list without which the title
    would be ranked lowest. It is empty for titles that are popular with everyone.
    """

    model_config = ConfigDict(json_schema_extra={"example": {**EXAMPLE, **_WHY}})

    part: Annotated[
        Literal["continue", "discover"],
        Field(description="continue: from a franchise that is on your list."),
    ]
    reason: str
    because: list[BecauseOut]


class SimilarOut(BaseModel):
    """``score`` is the similarity of the titles, 0 to 1."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"anime": _CARD, "score": 0.42, "reason": "Liked by many who like Samurai Champloo"}
        }
    )

    anime: CardOut
    score: Annotated[float, Field(ge=0, le=1)]
    reason: str
