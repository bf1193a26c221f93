"""Schemas of list entries."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SkipValidation,
    WithJsonSchema,
    model_validator,
)

from app.schemas.core.anime import ImagesOut, TagOut
from app.schemas.domain.anime import Season, Status
from app.schemas.domain.library import ORIGINS, EntryChange, EntryState, EntryStatus, ListChanges, MediaType
from app.schemas.fields import Id, Note, PartialDate, Progress, RewatchCount, Score, Tag, one_of
from app.schemas.limits import MAX_PROGRESS, MAX_TAGS

_ETAG = re.compile(r'"?(?:(\d{1,18})-)?(\d{1,18})"?')


def _versions(given: Any) -> Any:
    """The pairs of entry id (None for any) and version given by a ``version`` or an ETag."""
    if type(given) is int and given > 0:
        return frozenset({(None, given)})
    found = _ETAG.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise ValueError("give the version of the entry, or its ETag")
    return frozenset({(int(found[1]) if found[1] else None, int(found[2]))})


IfMatch = Annotated[
    frozenset[tuple[int | None, int]],
    BeforeValidator(_versions),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}], "examples": [3]}),
]
Tags = Annotated[
    list[Tag], Field(max_length=MAX_TAGS), AfterValidator(lambda tags: list(dict.fromkeys(tags)))
]

_EXAMPLE: dict[str, Any] = {
    "id": 7,
    "anime_id": 42,
    "media_type": "anime",
    "status": "watching",
    "score": 8.5,
    "progress": 13,
    "max_progress": 26,
    "is_rewatching": False,
    "rewatch_count": 0,
    "started_at": "2026-10-03",
    "finished_at": None,
    "notes": None,
    "tags": ["jazz"],
    "is_private": False,
    "version": 3,
    "created_at": "2026-10-03T18:20:00Z",
    "updated_at": "2026-11-20T21:05:11Z",
    "anime": {
        "id": 42,
        "mal_id": 1,
        "title": "Cowboy Bebop",
        "image_url": None,
        "score": 8.75,
        "episodes": 26,
    },
}


def _expanded(schema: dict[str, Any]) -> None:
    """Keys that only ``expand=anime`` shows are not required, and have no default."""
    for shape in schema["properties"].values():
        shape.pop("default", None)


class EntryAnimeOut(BaseModel):
    """The anime of an entry; the keys from `anilist_id` on are present only with `expand=anime`."""

    model_config = ConfigDict(json_schema_extra=_expanded)

    id: int | None
    mal_id: int | None
    title: str
    image_url: str | None
    score: float | None
    episodes: int | None
    anilist_id: int | None = None
    title_english: str | None = None
    title_japanese: str | None = None
    title_russian: str | None = None
    synonyms: list[str] = []
    type: str | None = None
    status: Status | None = None
    season: Season | None = None
    year: int | None = None
    duration_minutes: float | None = None
    images: ImagesOut | None = None
    genres: list[TagOut] = []


class EntryOut(BaseModel):
    """``max_progress`` is the user's own total if set, otherwise the catalogue's ``episodes``."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: int
    anime_id: int | None
    media_type: MediaType
    status: EntryStatus
    score: Score | None
    progress: int
    max_progress: int | None
    is_rewatching: bool
    rewatch_count: int
    started_at: str | None
    finished_at: str | None
    notes: str | None
    tags: list[str]
    is_private: bool
    version: int
    created_at: datetime
    updated_at: datetime
    anime: EntryAnimeOut


class PublicEntryOut(BaseModel):
    """An entry as shown to others, without notes; private entries are not shown at all."""

    id: int
    anime_id: int | None
    media_type: MediaType
    status: EntryStatus
    score: Score | None
    progress: int
    max_progress: int | None
    is_rewatching: bool
    rewatch_count: int
    started_at: str | None
    finished_at: str | None
    tags: list[str]
    version: int
    created_at: datetime
    updated_at: datetime
    anime: EntryAnimeOut


class DeletedEntryOut(BaseModel):
    """An entry that was deleted from the list."""

    id: int
    anime_id: int | None
    deleted_at: datetime


class ListChangesOut(BaseModel):
    """``until`` is the ``since`` of the next request; if ``has_more``, send it at once."""

    entries: list[EntryOut]
    deleted: list[DeletedEntryOut]
    until: str
    has_more: bool


_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def changes_body(changes: ListChanges, since: datetime | None) -> bytes:
    """The JSON of :class:`ListChangesOut`; ``since`` is the timestamp that was requested."""
    at, entry_id = changes.last or (since or _BEGINNING, 0)
    until = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return orjson.dumps(
        {
            "entries": orjson.Fragment(changes.entries),
            "deleted": orjson.Fragment(changes.deleted),
            "until": f"{until}~{entry_id}" if changes.has_more else until,
            "has_more": changes.has_more,
        }
    )


class MarkOut(BaseModel):
    """Your data on one anime; all fields except ``is_favorite`` are null if it is not on your list."""

    status: EntryStatus | None
    progress: int | None
    score: Score | None
    is_favorite: bool
    version: int | None


class _Editable(BaseModel):
    """The fields of an entry that a client may send; those not sent are ignored."""

    model_config = ConfigDict(extra="forbid", strict=True)

    score: Score | None = None
    progress: Progress = 0
    max_progress: Progress | None = None
    is_rewatching: bool = False
    rewatch_count: RewatchCount = 0
    started_at: PartialDate | None = None
    finished_at: PartialDate | None = None
    notes: Note | None = None
    tags: Tags = []
    is_private: bool = False

    def sent(self) -> Mapping[str, Any]:
        """Exactly the fields that were sent, by the names of ``EntryState``."""
        values = {name: getattr(self, name) for name in self.model_fields_set & ENTRY_FIELDS}
        return {**values, "tags": tuple(values["tags"])} if "tags" in values else values


class EntryIn(_Editable):
    """``anime_id`` or ``mal_id`` identifies the title."""

    anime_id: Id | None = None
    mal_id: Id | None = None
    status: EntryStatus

    @model_validator(mode="after")
    def _named(self) -> "EntryIn":
        if (self.anime_id is None) == (self.mal_id is None):
            raise ValueError("give either anime_id or mal_id")
        return self


class EntryPatch(_Editable):
    """A merge patch: fields that are not sent keep their values.

    ``progress_delta`` is added to the stored progress, within the limits of progress.
    """

    status: EntryStatus = "watching"
    progress_delta: Annotated[int, Field(ge=-MAX_PROGRESS, le=MAX_PROGRESS)] = 0

    @model_validator(mode="after")
    def _something(self) -> "EntryPatch":
        if not self.model_fields_set:
            raise ValueError("send at least one field")
        if {"progress", "progress_delta"} <= self.model_fields_set:
            raise ValueError("give progress or progress_delta, not both")
        return self


ENTRY_FIELDS = frozenset(_Editable.model_fields) | {"status"}


class EntryPut(_Editable):
    """Fields that are not sent keep their values.

    ``status`` is required if the title is not on the list yet.
    """

    status: EntryStatus = "watching"


class _OnTitle(BaseModel):
    """A title by ``anime_id`` or ``mal_id``; ``if_match`` is the ``version`` the change is based on."""

    anime_id: Id | None = None
    mal_id: Id | None = None
    if_match: IfMatch | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.anime_id is None) == (self.mal_id is None):
            raise ValueError("give either anime_id or mal_id")
        return self


class AddOperation(_Editable, _OnTitle):
    """Add a title that is not on the list."""

    op: Literal["add"]
    status: EntryStatus


class UpdateOperation(EntryPatch, _OnTitle):
    """Change the sent fields of a title on the list."""

    op: Literal["update"]

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.sent() and "progress_delta" not in self.model_fields_set:
            raise ValueError("send at least one field")
        if {"progress", "progress_delta"} <= self.model_fields_set:
            raise ValueError("give progress or progress_delta, not both")
        return self


class UpsertOperation(EntryPut, _OnTitle):
    """Add a title, or change the sent fields if it is on the list."""

    op: Literal["upsert"]


class DeleteOperation(_OnTitle):
    """Delete a title from the list."""

    model_config = ConfigDict(extra="forbid", strict=True)

    op: Literal["delete"]


BatchOperation = Annotated[
    AddOperation | UpdateOperation | UpsertOperation | DeleteOperation, Field(discriminator="op")
]


def _object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("an operation must be an object")
    return value


class BatchIn(BaseModel):
    """Operations, executed in this order."""

    model_config = ConfigDict(extra="forbid")

    # each operation is validated separately later, so that an invalid one fails alone
    operations: Annotated[
        list[Annotated[SkipValidation[BatchOperation], AfterValidator(_object)]],
        Field(min_length=1, max_length=500),
    ]


class BatchErrorOut(BaseModel):
    code: str
    message: str
    details: dict[str, Any] | None


class BatchResultOut(BaseModel):
    """``status`` is the HTTP status that the operation would have had as a single request."""

    anime_id: int | None
    mal_id: int | None
    status: int
    version: int | None
    entry: EntryOut | None = None
    error: BatchErrorOut | None = None


class BatchOut(BaseModel):
    results: list[BatchResultOut]


class ChangedStateOut(_Editable):
    """The editable fields of an entry at one point in time."""

    model_config = ConfigDict(extra="forbid")

    status: EntryStatus

    @classmethod
    def of(cls, state: EntryState) -> "ChangedStateOut":
        values = {name: getattr(state, name) for name in ENTRY_FIELDS}
        return cls.model_construct(**{**values, "tags": list(state.tags)})


class ChangeOut(BaseModel):
    """One change; ``before`` is null for an addition, ``after`` for a deletion."""

    id: int
    origin: Annotated[str, one_of(ORIGINS)]
    before: ChangedStateOut | None
    after: ChangedStateOut | None
    changed_at: datetime

    @classmethod
    def of(cls, change: EntryChange) -> "ChangeOut":
        before, after = change.before, change.after
        return cls.model_construct(
            id=change.id,
            origin=change.origin,
            before=None if before is None else ChangedStateOut.of(before),
            after=None if after is None else ChangedStateOut.of(after),
            changed_at=change.changed_at,
        )
