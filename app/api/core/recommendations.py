"""Recommendations and similar titles."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import AfterValidator, Field

from app.api.access import CheckedRoute, access
from app.api.catalogue_query import TitleQuery
from app.api.conditional import catalogue_answer
from app.api.deps import CurrentUser, Services
from app.api.openapi.failures import KNOWN_ALREADY, failures
from app.api.query import FastQuery, known_keys
from app.errors import Invalid, NotFound, ServiceUnavailable
from app.schemas.core.recommendations import RecommendationOut, SimilarOut
from app.schemas.domain.catalogue import ANIME_KEYS
from app.schemas.domain.recommendations import Algorithm, RecommendationMode, RecommendationSpec
from app.schemas.fields import Id

router = APIRouter(route_class=CheckedRoute)

AnimeId = Annotated[Id, Path()]
_Limit = Annotated[int, Field(ge=1, le=50)]
_PATH = "/users/me/recommendations"


class RecommendationQuery(TitleQuery):
    fields: Annotated[
        list[Annotated[str, Field(max_length=500)]],
        Field(
            max_length=50,
            default_factory=list,
            description="Only these keys, comma-separated; `part`, `reason` and `because` are always there.",
        ),
        AfterValidator(known_keys((*ANIME_KEYS, "part", "reason", "because"))),
    ]
    limit: _Limit = 10
    offset: Annotated[int, Field(ge=0, le=10_000)] = 0
    mode: Annotated[
        RecommendationMode | None,
        Field(
            description="discover: one title of each franchise that you have not begun; continue: titles of "
            "those you have; all: both by one order. Without it: a few to continue, then those to discover."
        ),
    ] = None
    diversity: Annotated[
        float, Field(ge=0, le=1, allow_inf_nan=False, description="Above 0: dissimilar titles rank higher.")
    ] = 0.0
    algo: Annotated[
        Algorithm,
        Field(description="model: learned from all lists; genres: by your genres and studios."),
    ] = "model"
    sfw: Annotated[bool, Field(description="Exclude adult titles, even if your list has some.")] = False

    @property
    def keys(self) -> tuple[str, ...]:
        return super().keys or ("id",)  # if only keys that are always there were selected

    def wanted(self) -> RecommendationSpec:
        return RecommendationSpec(
            mode=self.mode,
            algo=self.algo,
            diversity=self.diversity,
            sfw=self.sfw,
            limit=self.limit,
            offset=self.offset,
            keys=self.keys,
        )


class SimilarQuery(FastQuery):
    limit: _Limit = 10
    sfw: bool = False


@router.get(
    _PATH,
    tags=["list"],
    response_model=list[RecommendationOut],
    openapi_extra=RecommendationQuery.parameters(),
)
@access("read:content")
async def list_recommendations(request: Request, user: CurrentUser, services: Services) -> Response:
    """List recommended anime that are not on your list, each with a reason."""
    query = RecommendationQuery.read(request)
    found = await services.recommendations.served.list(user.user_id, query.wanted())
    return Response(found, media_type="application/json")


@router.post(f"{_PATH}/ignored/{{anime_id}}", status_code=204, tags=["list"], responses=failures(NotFound))
@access("write:content")
async def ignore_recommendation(anime_id: AnimeId, user: CurrentUser, services: Services) -> None:
    """Exclude an anime from your recommendations; succeeds if it is excluded already."""
    await services.recommendations.served.ignore(user.user_id, anime_id)


@router.delete(f"{_PATH}/ignored/{{anime_id}}", status_code=204, tags=["list"])
@access("write:content")
async def stop_ignoring_recommendation(anime_id: AnimeId, user: CurrentUser, services: Services) -> None:
    """Allow an anime in your recommendations again; succeeds if it was not excluded."""
    await services.recommendations.served.stop_ignoring(user.user_id, anime_id)


@router.get(
    "/anime/{anime_id}/similar",
    tags=["catalogue"],
    response_model=list[SimilarOut],
    openapi_extra=SimilarQuery.parameters(),
    responses=KNOWN_ALREADY | failures(NotFound, Invalid, ServiceUnavailable),
)
@access("public")
async def list_similar(anime_id: AnimeId, request: Request, services: Services) -> Response:
    """List similar anime from other franchises, most similar first."""
    query = SimilarQuery.read(request)
    return catalogue_answer(
        await services.recommendations.served.similar(anime_id, limit=query.limit, sfw=query.sfw)
    )
