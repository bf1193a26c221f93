"""Query parameters of the list routes."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from app.api.catalogue_query import TypeName
from app.api.deps import Page
from app.api.openapi.failures import UNDOCUMENTED
from app.api.query import FastQuery, known_keys, split, words
from app.schemas.domain.library import ENTRY_KEYS, PUBLIC_ENTRY_KEYS, EntryStatus
from app.schemas.fields import Id, Instant, storable
from app.services.library import EntryShape, ListFilter
from app.utils.text.cleaning import BIGINT_MAX

_MOST_ENTRIES = 500  # maximum page size
_MOST_MARKS = 100
_MOST_CHANGES = 5000

Sort = Literal[
    "created", "-created", "updated", "-updated", "title", "-title", "score", "-score",
    "progress", "-progress", "started", "-started", "finished", "-finished",
]  # fmt: skip
SearchText = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=100), AfterValidator(storable)
]
_Word = Annotated[str, StringConstraints(max_length=1000), AfterValidator(storable)]


_Comma = BeforeValidator(split)
_Statuses = Annotated[list[EntryStatus], _Comma, Field(max_length=20, default_factory=list)]
_Types = Annotated[list[TypeName], _Comma, Field(max_length=20, default_factory=list)]
_Words = Annotated[list[_Word], Field(max_length=50, default_factory=list)]
_Ids = Annotated[list[Id], _Comma]


class ShapeQuery(FastQuery):
    """``fields`` and ``expand``: which keys of an entry are returned, and whether its title is included."""

    fields: Annotated[
        list[Annotated[str, Field(max_length=500)]],
        Field(
            max_length=50, default_factory=list, description="Only these keys of an entry; comma-separated."
        ),
        AfterValidator(known_keys(ENTRY_KEYS)),
    ]
    expand: Annotated[
        list[Literal["anime"]],
        _Comma,
        Field(
            max_length=5,
            default_factory=list,
            description="`anime`: include all titles, type, status, season, year, genres and duration.",
        ),
    ]

    @property
    def shape(self) -> EntryShape:
        keys = tuple(key for key in ENTRY_KEYS if key in self.fields) if self.fields else ENTRY_KEYS
        return EntryShape(keys, bool(self.expand))


class PublicListQuery(ShapeQuery, Page):
    limit: Annotated[int, Field(ge=1, le=_MOST_ENTRIES, description="Entries per page.")] = 20
    status: Annotated[_Statuses, Field(description="One of these; repeated or comma-separated.")]
    q: Annotated[SearchText | None, Field(description="Words from any title of the anime.")] = None
    genre: Annotated[
        _Words, Field(description="Genres, themes or demographics, by name or id; all must match.")
    ]
    genre_list: Annotated[_Words, Field(alias="genre[]", description="Same as `genre`.")]
    tag: Annotated[_Words, Field(description="Your tags; all must match.")]
    type: Annotated[_Types, Field(description="One of these; repeated or comma-separated.")]
    anime_id: Annotated[
        _Ids, Field(max_length=_MOST_ENTRIES, default_factory=list, description="Only these anime.")
    ]
    sfw: Annotated[bool, Field(description="Exclude adult titles.")] = False
    sort: Annotated[Sort, Field(description="A leading `-` means descending; unknown values come last.")] = (
        "-created"
    )

    def wanted(self) -> ListFilter:
        return ListFilter(
            statuses=tuple(self.status),
            q=self.q or None,
            genres=tuple(words([*self.genre, *self.genre_list])),
            tags=tuple(self.tag),
            types=tuple(self.type),
            anime_ids=tuple(self.anime_id),
            sfw=self.sfw,
            sort=self.sort,
        )

    @property
    def public_shape(self) -> EntryShape:
        """The entry without its private fields."""
        return replace(self.shape, keys=tuple(key for key in self.shape.keys if key in PUBLIC_ENTRY_KEYS))


class ListQuery(PublicListQuery):
    """``updated_since`` selects changed and deleted entries, the latest change first."""

    updated_since: Annotated[Instant | None, Field(json_schema_extra={UNDOCUMENTED: True})] = None

    def wanted(self) -> ListFilter:
        return replace(super().wanted(), updated_since=self.updated_since)


_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


def _since(given: Any) -> Any:
    """A timestamp, optionally with the id of the last entry of the previous response: ``INSTANT~ID``."""
    instant, tilde, entry_id = str(given).partition("~")
    if tilde and not (entry_id.isascii() and entry_id.isdigit() and len(entry_id) < 19):
        raise ValueError("give a timestamp, or `until` of the last response")
    try:
        return _INSTANT.validate_python(instant), int(entry_id) if tilde else BIGINT_MAX
    except ValidationError:
        raise ValueError(
            "give a timestamp like 2026-11-20T21:05:11Z, or `until` of the last response"
        ) from None


class ChangesQuery(ShapeQuery):
    since: Annotated[
        Annotated[
            tuple[datetime, int],
            BeforeValidator(_since),
            WithJsonSchema({"type": "string", "examples": ["2026-11-20T21:05:11Z"]}),
        ]
        | None,
        Field(
            description="A timestamp, or `until` of the last response; without it, everything on the list."
        ),
    ] = None
    limit: Annotated[
        int,
        Field(
            ge=1,
            le=_MOST_CHANGES,
            description="Changes per response; `has_more` tells whether there are more.",
        ),
    ] = _MOST_CHANGES


class MarksQuery(FastQuery):
    anime_id: Annotated[
        _Ids,
        Field(
            min_length=1, max_length=_MOST_MARKS, description="Up to 100 anime; repeated or comma-separated."
        ),
    ]
