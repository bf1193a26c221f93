"""Recommendations as the core surface shows them."""

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
    """A title of your list that a recommendation comes from."""

    id: int
    title: str


class RecommendationOut(AnimeOut):
    """A title as the catalogue shows it, and why it is recommended.

    ``because`` are the titles that ``reason`` names, at most two: those of your list without which the
    title would stand lowest. It is empty where everybody likes the title.
    """

    model_config = ConfigDict(json_schema_extra={"example": {**EXAMPLE, **_WHY}})

    part: Annotated[
        Literal["continue", "discover"],
        Field(description="continue: of a franchise that your list has something of."),
    ]
    reason: str
    because: list[BecauseOut]


class SimilarOut(BaseModel):
    """``score`` is how similar the titles are, 0 to 1."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"anime": _CARD, "score": 0.42, "reason": "Liked by many who like Samurai Champloo"}
        }
    )

    anime: CardOut
    score: Annotated[float, Field(ge=0, le=1)]
    reason: str
