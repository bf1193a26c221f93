"""Query parameters of the AniLibria v2 surface."""

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.schemas.anilibria.title import SEASON_WORDS, STATUS_WORDS, TitleSeason, TitleStatus
from app.schemas.domain.releases import ReleaseFilter
from app.schemas.fields import storable
from app.services.releases.titles import TitleOrder

MAX_PAGE = 1_000_000

Search = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100), AfterValidator(storable)]
Limit = Annotated[int, Field(ge=1, le=100)]
_Genre = Annotated[str, StringConstraints(max_length=1000), AfterValidator(storable)]
_Genres = Annotated[list[_Genre], Field(max_length=50, default_factory=list)]

K = TypeVar("K")
V = TypeVar("V")


class PageQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    page: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 1
    limit: Limit = 20


class TitlesQuery(PageQuery):
    search: Search | None = None
    year: Annotated[int | None, Field(ge=1900, le=2200)] = None
    season: TitleSeason | None = None
    genres: Annotated[_Genres, Field(description="All must match; repeated or comma-separated.")]
    genres_brackets: Annotated[_Genres, Field(alias="genres[]")]
    status: TitleStatus | None = None
    sort: Literal["id", "year", "rating", "updated"] = "updated"
    order: Literal["asc", "desc"] = "desc"

    def wanted(self) -> ReleaseFilter:
        listed = [
            word.strip() for value in [*self.genres, *self.genres_brackets] for word in value.split(",")
        ]
        return ReleaseFilter(
            search=self.search or None,
            year=self.year,
            season=_word(SEASON_WORDS, self.season),
            status=_word(STATUS_WORDS, self.status),
            genres=tuple(dict.fromkeys(word for word in listed if word)),
        )

    def sorting(self) -> TitleOrder:
        return TitleOrder(self.sort, self.order == "desc")


class SearchQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    q: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=2, max_length=100),
        AfterValidator(storable),
    ]
    limit: Limit = 20
    fuzzy: Annotated[bool, Field(description="Tolerate typos.")] = False


def _word(words: dict[K, V], theirs: V | None) -> K | None:
    """Translate AniLibria's term to ours."""
    return next((ours for ours, word in words.items() if word == theirs), None)
