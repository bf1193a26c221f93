"""List entries as the core surface reads and writes them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.schemas.domain.library import EntryChange, EntryState, EntryStatus
from app.schemas.fields import Id, Note, PartialDate, Progress, RewatchCount, Score, Tag
from app.schemas.limits import MAX_PROGRESS, MAX_TAGS

Tags = Annotated[
    list[Tag], Field(max_length=MAX_TAGS), AfterValidator(lambda tags: list(dict.fromkeys(tags)))
]

_EXAMPLE: dict[str, Any] = {
    "id": 7,
    "anime_id": 42,
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


class EntryAnimeOut(BaseModel):
    """``id`` is null while the catalogue does not know the title."""

    id: int | None
    mal_id: int | None
    title: str
    image_url: str | None
    score: float | None
    episodes: int | None


class EntryOut(BaseModel):
    """``max_progress`` is the person's own total if there is one, else the catalogue's ``episodes``."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: int
    anime_id: int | None
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
    created_at: datetime
    updated_at: datetime
    anime: EntryAnimeOut


class TombstoneOut(BaseModel):
    """An entry that was deleted since the instant asked for."""

    anime_id: int | None
    deleted: Literal[True]
    updated_at: datetime


class _Editable(BaseModel):
    """The fields of an entry that a client may send; only those sent count."""

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
        """Exactly the fields that were sent, as an entry's state names them."""
        values = {name: getattr(self, name) for name in self.model_fields_set & ENTRY_FIELDS}
        return {**values, "tags": tuple(values["tags"])} if "tags" in values else values


class EntryIn(_Editable):
    """``anime_id`` or ``mal_id`` names the title."""

    anime_id: Id | None = None
    mal_id: Id | None = None
    status: EntryStatus

    @model_validator(mode="after")
    def _named(self) -> "EntryIn":
        if (self.anime_id is None) == (self.mal_id is None):
            raise ValueError("give anime_id or mal_id, one of them")
        return self


class EntryPatch(_Editable):
    """A merge patch: what is not sent stays.

    ``progress_delta`` is added to whatever is stored, as far as progress goes.
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


class BatchOperationIn(EntryPatch):
    """``add`` needs ``status``, ``update`` at least one field, ``delete`` nothing but the title."""

    op: Literal["add", "update", "delete"]
    anime_id: Id

    @model_validator(mode="after")
    def _something(self) -> "BatchOperationIn":
        fields = self.model_fields_set - {"op", "anime_id"}
        if self.op == "add" and "status" not in fields:
            raise ValueError("add needs a status")
        if self.op == "update" and not fields:
            raise ValueError("send at least one field")
        if self.op == "delete" and fields:
            raise ValueError("delete takes no fields")
        return self


class BatchIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    # each operation is read on its own, so that a bad one fails alone
    operations: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=500)]


class BatchErrorOut(BaseModel):
    code: str
    message: str
    details: dict[str, Any] | None


class BatchResultOut(BaseModel):
    """``status`` is the HTTP status that the operation would have had on its own."""

    anime_id: int | None
    status: int
    entry: EntryOut | None = None
    error: BatchErrorOut | None = None


class BatchOut(BaseModel):
    results: list[BatchResultOut]


class ChangedStateOut(_Editable):
    """An entry's own fields at one moment."""

    model_config = ConfigDict(extra="forbid")

    status: EntryStatus

    @classmethod
    def of(cls, state: EntryState) -> "ChangedStateOut":
        values = {name: getattr(state, name) for name in ENTRY_FIELDS}
        return cls.model_construct(**{**values, "tags": list(state.tags)})


class ChangeOut(BaseModel):
    """One change: ``before`` is null for an addition, ``after`` for a deletion."""

    id: int
    origin: str
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
