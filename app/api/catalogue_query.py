"""Query parameters of the catalogue routes."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from app.api.deps import MAX_LIMIT, Page
from app.api.query import FastQuery, known_keys, split, words
from app.schemas.domain.anime import ANIME_TYPES, Season, Status, TagKind
from app.schemas.domain.catalogue import ANIME_KEYS, AnimeSort, CatalogueFilter, PageSpec
from app.schemas.fields import Id, storable

_MOST_GENRES = 50
_TYPES = {name.lower(): name for name in ANIME_TYPES}


def _faulty(query: type[BaseModel], fault: PydanticCustomError, names: list[str]) -> ValidationError:
    """A validation error about several parameters."""
    faults = [InitErrorDetails(type=fault, loc=(name,), input=None) for name in names]
    return ValidationError.from_exception_data(query.__name__, faults)


def _type(value: Any) -> Any:
    return _TYPES.get(_lower(value).replace("_", " "), value) if isinstance(value, str) else value


def _known_type(name: str) -> str:
    if name not in ANIME_TYPES:
        raise ValueError(f"use one of {', '.join(ANIME_TYPES)}")
    return name


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


# bounds before the function validator: after it, pydantic would check the unstripped text
_Genre = Annotated[str, StringConstraints(max_length=1000), AfterValidator(storable)]
_Genres = Annotated[list[_Genre], Field(max_length=_MOST_GENRES, default_factory=list)]
_Year = Annotated[int, Field(ge=1, le=9999)]
TypeName = Annotated[
    str,
    BeforeValidator(_type),
    AfterValidator(_known_type),
    Field(json_schema_extra={"enum": list[Any](ANIME_TYPES)}),
]
# A title has one of these values; a query can list several.
_split = BeforeValidator(split)
_several: Any = Field(
    max_length=20, default_factory=list, description="One of these; repeated or comma-separated."
)
_Statuses = Annotated[list[Annotated[Status, BeforeValidator(_lower)]], _split, _several]
_Seasons = Annotated[list[Annotated[Season, BeforeValidator(_lower)]], _split, _several]
_Types = Annotated[list[TypeName], _split, _several]
_Search = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100), AfterValidator(storable)]
Fields = Annotated[
    list[Annotated[str, Field(max_length=500)]],
    Field(max_length=50, default_factory=list, description="Only these keys of a title; comma-separated."),
    AfterValidator(known_keys(ANIME_KEYS)),
]


class TitleQuery(FastQuery):
    """``fields`` of a single title."""

    fields: Fields

    @property
    def keys(self) -> tuple[str, ...]:
        """The selected keys, in the order of the complete object."""
        return tuple(key for key in ANIME_KEYS if key in self.fields) if self.fields else ANIME_KEYS


class TitlePageQuery(TitleQuery, Page):
    """Paging parameters and ``fields``."""

    @property
    def part(self) -> PageSpec:
        return PageSpec(limit=self.limit, offset=self.start, keys=self.keys)


class CatalogueQuery(TitlePageQuery):
    """All conditions must hold. A genre is a name in any case or an id; themes and demographics count too."""

    genre: _Genres
    genre_list: Annotated[_Genres, Field(alias="genre[]")]
    genre_exclude: _Genres
    genre_exclude_list: Annotated[_Genres, Field(alias="genre_exclude[]")]
    status: _Statuses
    season: _Seasons
    type: _Types
    ids: Annotated[
        list[Id],
        _split,
        Field(
            max_length=MAX_LIMIT,
            default_factory=list,
            description="Only these anime, up to 100; without `limit` all of them are on one page.",
        ),
    ]
    year: _Year | None = None
    year_from: _Year | None = None
    year_to: _Year | None = None
    min_score: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None = None
    search: _Search | None = None
    q: Annotated[_Search | None, Field(description="Same as `search`.")] = None
    sfw: bool = False
    sort: AnimeSort = "-score"

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "CatalogueQuery":
        if "limit" not in self.model_fields_set and len(self.ids) > self.limit:
            self.limit = len(self.ids)
        if self.q is not None and self.search is not None and self.q != self.search:
            fault = PydanticCustomError(
                "contradiction", "search and q are the same parameter: give one of them"
            )
            raise _faulty(type(self), fault, ["q"])
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            fault = PydanticCustomError("contradiction", "year_from is after year_to")
            raise _faulty(type(self), fault, ["year_from"])
        return self

    def wanted(self) -> CatalogueFilter:
        return CatalogueFilter(
            genres=tuple(words([*self.genre, *self.genre_list])),
            genres_excluded=tuple(words([*self.genre_exclude, *self.genre_exclude_list])),
            statuses=tuple(self.status),
            seasons=tuple(self.season),
            types=tuple(self.type),
            ids=tuple(self.ids),
            year=self.year,
            year_from=self.year_from,
            year_to=self.year_to,
            min_score=self.min_score,
            search=self.search or self.q or None,
            sfw=self.sfw,
        )


class SearchQuery(TitlePageQuery):
    q: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=2, max_length=100), AfterValidator(storable)
    ]
    sfw: Annotated[bool, Field(description="Hide adult titles; `X-Hidden-Count` is the number hidden.")] = (
        False
    )


class GenresQuery(FastQuery):
    kind: Annotated[TagKind | None, Field(description="Only this kind.")] = None
    sfw: Annotated[
        bool, Field(description="Exclude adult titles from the counts, and omit labels only they have.")
    ] = False
