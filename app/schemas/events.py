"""Events that transactions emit: frozen, serialisable, published after the commit."""

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Literal, TypeVar

import orjson
from pydantic import TypeAdapter

EVENTS: dict[str, type["Event"]] = {}

E = TypeVar("E", bound="Event")


@dataclass(frozen=True, slots=True)
class Event:
    """``name`` tells events of one ``topic`` apart.

    A ``durable`` event is a row that can be read again by its id; the others are gone once they were told.
    A ``local`` one is told in its own process only.
    """

    name: ClassVar[str]
    topic: ClassVar[str]
    durable: ClassVar[bool] = False
    local: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__:
            EVENTS[cls.name] = cls

    @property
    def dedup_key(self) -> str | None:
        """The deduplication key: a second stored event with the same key is dropped."""
        return None

    @property
    def body(self) -> dict[str, Any]:
        return asdict(self)

    def encode(self) -> bytes:
        return orjson.dumps({"name": self.name, **self.body})

    @classmethod
    def decode(cls: type[E], message: bytes) -> E:
        """The event that :meth:`encode` wrote; what a newer version of the program added is left out."""
        return cls.read(orjson.loads(message))

    @classmethod
    def read(cls: type[E], body: dict[str, Any]) -> E:
        known = {field.name for field in fields(cls)}
        read: E = _adapter(cls.name).validate_python({key: body[key] for key in body.keys() & known})
        return read


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(EVENTS[name])


@dataclass(frozen=True, slots=True)
class EntryChanged(Event):
    """Entries of one list have changed, for whatever reason; ``origin`` is who changed them.

    What changed how is in the history of the entries, which is stored in the same transaction: this event
    needs no row of its own. ``entry_ids`` is empty where they are too many to name.
    """

    name: ClassVar[str] = "entry.changed"
    topic: ClassVar[str] = "entries"
    local: ClassVar[bool] = True  # no other process listens, and a write should not wait for Redis
    user_id: int
    entry_ids: tuple[int, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class TitleChanged(Event):
    """Titles of the catalogue have changed; None is any of them."""

    name: ClassVar[str] = "title.changed"
    topic: ClassVar[str] = "catalogue"
    anime_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class EpisodeReleased(Event):
    """A release has a new episode; ``title_id`` is the id at its source."""

    name: ClassVar[str] = "release.episode"
    topic: ClassVar[str] = "releases"
    durable: ClassVar[bool] = True
    title_id: int
    ordinal: float
    title: str
    episode_name: str | None
    poster: str | None
    at: datetime
    anime_id: int | None = None

    @property
    def dedup_key(self) -> str:
        return f"{self.name}:{self.title_id}:{self.ordinal:g}"


@dataclass(frozen=True, slots=True)
class ReleaseAdded(Event):
    """A source has a new release."""

    name: ClassVar[str] = "release.added"
    topic: ClassVar[str] = "releases"
    durable: ClassVar[bool] = True
    title_id: int
    title: str
    poster: str | None
    genres: tuple[str, ...]
    at: datetime

    @property
    def dedup_key(self) -> str:
        return f"{self.name}:{self.title_id}"


@dataclass(frozen=True, slots=True)
class ReleaseStatusChanged(Event):
    """A release has begun, ended or was announced; statuses are our words."""

    name: ClassVar[str] = "release.status"
    topic: ClassVar[str] = "releases"
    durable: ClassVar[bool] = True
    title_id: int
    old_status: Literal["airing", "finished", "upcoming"]
    new_status: Literal["airing", "finished", "upcoming"]
    at: datetime


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A durable event with its id: ids grow in the order in which their transactions were committed."""

    id: int
    event: Event
    stored_at: datetime
