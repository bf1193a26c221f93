"""Schemas of library items on the tracker surface."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from app.schemas.domain.library import EntryCount, EntryStatus, MediaType, Subject
from app.schemas.fields import Id, Line, Progress, Url
from app.schemas.words import TrackerStatus, entry_status, means_rewatching, tracker_status


class StatusWord(NamedTuple):
    """A status translated to ours; ``is_rewatching`` if the word meant rewatching."""

    status: EntryStatus
    is_rewatching: bool = False

    def sent(self) -> dict[str, Any]:
        return (
            {"status": self.status, "is_rewatching": True} if self.is_rewatching else {"status": self.status}
        )


def _status(word: Any) -> Any:
    status = entry_status(word) if isinstance(word, str) else None
    if status is None:
        raise ValueError("use planning, watching, reading, completed, dropped or on_hold")
    return status


def _said(word: Any) -> Any:
    return StatusWord(_status(word), means_rewatching(word))


def _type(word: Any) -> Any:
    return word.casefold() if isinstance(word, str) else word


_words = WithJsonSchema({"type": "string", "examples": ["planning", "CURRENT", "Reading/Watching"]})
AnyStatus = Annotated[EntryStatus, BeforeValidator(_status), _words]
GivenStatus = Annotated[StatusWord, BeforeValidator(_said), _words]
AnyType = Annotated[
    MediaType,
    BeforeValidator(_type),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^([Aa][Nn][Ii][Mm][Ee]|[Mm][Aa][Nn][Gg][Aa])$",
            "examples": ["anime", "MANGA"],
        }
    ),
]


class ItemOut(BaseModel):
    """Title, cover and format are the catalogue's if it has them, otherwise those that were sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 7,
                "title": "Cowboy Bebop",
                "type": "anime",
                "source": "anilist",
                "cover_url": None,
                "status": "watching",
                "progress": 13,
                "max_progress": 26,
                "anilist_id": 1,
                "mal_id": 1,
                "format": "TV",
                "site_url": "https://anilist.co/anime/1",
                "updated_at": "2026-11-20T21:05:11Z",
            }
        }
    )

    id: int
    title: str
    type: MediaType
    source: str
    cover_url: str | None
    status: TrackerStatus
    progress: int
    max_progress: int | None
    anilist_id: int | None
    mal_id: int | None
    format: str | None
    site_url: str | None
    updated_at: datetime


class ItemIn(BaseModel):
    """``status`` in any case; AniList's words and the page's labels are accepted too."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: Line
    type: AnyType
    source: Line
    cover_url: Url | None = None
    status: Annotated[GivenStatus, Field(json_schema_extra={"default": "planning"})] = StatusWord(
        "plan_to_watch"
    )
    progress: Progress = 0
    max_progress: Progress | None = None
    anilist_id: Id | None = None
    mal_id: Id | None = None
    format: Line | None = None
    site_url: Url | None = None

    def subject(self) -> Subject:
        return Subject(media_type=self.type, mal_id=self.mal_id, anilist_id=self.anilist_id, title=self.title)

    def sent(self) -> Mapping[str, Any]:
        fields = self.model_fields_set & _STATE_FIELDS
        return {**{name: getattr(self, name) for name in fields}, **self.status.sent()}


class ItemPatch(BaseModel):
    """Fields that are null or not sent keep their values."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: Line | None = None
    source: Line | None = None
    cover_url: Url | None = None
    status: GivenStatus | None = None
    progress: Progress | None = None
    max_progress: Progress | None = None
    format: Line | None = None
    site_url: Url | None = None

    def sent(self) -> Mapping[str, Any]:
        fields = {name: value for name in _STATE_FIELDS if (value := getattr(self, name)) is not None}
        return {**fields, **(self.status.sent() if self.status else {})}


_STATE_FIELDS = frozenset(ItemPatch.model_fields)


class ItemDeletedOut(BaseModel):
    ok: bool = True


class SummaryOut(BaseModel):
    """The number of items of each type and status, zeros included."""

    total: int
    by_type: dict[MediaType, int]
    by_status: dict[TrackerStatus, int]

    @classmethod
    def of(cls, counts: Sequence[EntryCount]) -> "SummaryOut":
        by_type: dict[MediaType, int] = {"anime": 0, "manga": 0}
        by_status: dict[TrackerStatus, int] = dict.fromkeys(get_args(TrackerStatus), 0)
        for count in counts:
            by_type[count.media_type] += count.number
            by_status[tracker_status(count.status, count.media_type)] += count.number
        return cls(total=sum(by_type.values()), by_type=by_type, by_status=by_status)
