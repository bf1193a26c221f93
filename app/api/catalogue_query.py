"""What the query string of a catalogue route may hold."""

from collections.abc import Iterable
from difflib import get_close_matches
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

from app.api.deps import Page
from app.api.query import FastQuery
from app.schemas.domain.anime import ANIME_TYPES, Season, Status, TagKind
from app.schemas.domain.catalogue import ANIME_KEYS, AnimeSort, CatalogueFilter, PageSpec
from app.schemas.fields import storable

_MOST_GENRES = 50
_TYPES = {name.lower(): name for name in ANIME_TYPES}


def _faulty(query: type[BaseModel], fault: PydanticCustomError, names: list[str]) -> ValidationError:
    """The same fault of several parameters."""
    faults = [InitErrorDetails(type=fault, loc=(name,), input=None) for name in names]
    return ValidationError.from_exception_data(query.__name__, faults)


def _words(values: Iterable[str]) -> list[str]:
    """Repeated values, each of which may be a comma list."""
    words = [word.strip() for value in values for word in value.split(",")]
    return list(dict.fromkeys(word for word in words if word))


def _keys(values: Iterable[str]) -> list[str]:
    keys = _words(values)
    for key in keys:
        if key not in ANIME_KEYS:
            near = get_close_matches(key[:50], ANIME_KEYS, 1, 0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"there is no field {key[:50]}{hint}")
    return keys


def _type(value: Any) -> Any:
    return _TYPES.get(_lower(value).replace("_", " "), value) if isinstance(value, str) else value


def _known_type(name: str) -> str:
    if name not in ANIME_TYPES:
        raise ValueError(f"use one of {', '.join(ANIME_TYPES)}")
    return name


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


# bounds first: behind a function pydantic would not see the stripped text
_Genre = Annotated[str, StringConstraints(max_length=1000), AfterValidator(storable)]
_Genres = Annotated[list[_Genre], Field(max_length=_MOST_GENRES, default_factory=list)]
_Year = Annotated[int, Field(ge=1, le=9999)]
_Type = Annotated[
    str,
    BeforeValidator(_type),
    AfterValidator(_known_type),
    Field(json_schema_extra={"enum": list[Any](ANIME_TYPES)}),
]
_Search = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100), AfterValidator(storable)]
Fields = Annotated[
    list[Annotated[str, Field(max_length=500)]],
    Field(max_length=50, default_factory=list, description="Only these keys of a title; a comma list."),
    AfterValidator(_keys),
]


class TitleQuery(FastQuery):
    """``fields`` of a single title."""

    fields: Fields

    @property
    def keys(self) -> tuple[str, ...]:
        """The wanted keys in the order of the whole object."""
        return tuple(key for key in ANIME_KEYS if key in self.fields) if self.fields else ANIME_KEYS


class SliceQuery(TitleQuery, Page):
    """A page of titles, and ``fields`` of them."""

    @property
    def part(self) -> PageSpec:
        return PageSpec(limit=self.limit, offset=self.start, keys=self.keys)


class CatalogueQuery(SliceQuery):
    """All conditions must hold. A genre is a name in any case or an id, of a theme or demographic too."""

    genre: _Genres
    genre_list: Annotated[_Genres, Field(alias="genre[]")]
    genre_exclude: _Genres
    genre_exclude_list: Annotated[_Genres, Field(alias="genre_exclude[]")]
    status: Annotated[Status, BeforeValidator(_lower)] | None = None
    season: Annotated[Season, BeforeValidator(_lower)] | None = None
    type: _Type | None = None
    year: _Year | None = None
    year_from: _Year | None = None
    year_to: _Year | None = None
    min_score: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None = None
    search: _Search | None = None
    q: Annotated[_Search | None, Field(description="The same as search.")] = None
    sfw: bool = False
    sort: AnimeSort = "-score"

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "CatalogueQuery":
        if self.q is not None and self.search is not None and self.q != self.search:
            fault = PydanticCustomError("contradiction", "search and q are the same: give one of them")
            raise _faulty(type(self), fault, ["q"])
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            fault = PydanticCustomError("contradiction", "year_from is after year_to")
            raise _faulty(type(self), fault, ["year_from"])
        return self

    def wanted(self) -> CatalogueFilter:
        return CatalogueFilter(
            genres=tuple(_words([*self.genre, *self.genre_list])),
            genres_excluded=tuple(_words([*self.genre_exclude, *self.genre_exclude_list])),
            status=self.status,
            season=self.season,
            type=self.type,
            year=self.year,
            year_from=self.year_from,
            year_to=self.year_to,
            min_score=self.min_score,
            search=self.search or self.q or None,
            sfw=self.sfw,
        )


class SearchQuery(SliceQuery):
    q: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=2, max_length=100), AfterValidator(storable)
    ]
    sfw: Annotated[bool, Field(description="Hide adult titles; `X-Hidden-Count` says how many matched.")] = (
        False
    )


class GenresQuery(FastQuery):
    kind: TagKind | None = None
