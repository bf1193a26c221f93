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
    """``name`` distinguishes the events of one ``topic``.

    A ``durable`` event is also stored as a row and can be read again by its id; others exist only while they
    are delivered. A ``local`` event is delivered only in its own process.
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
        """The event written by :meth:`encode`; fields added by a newer version of the program are ignored."""
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
    """Entries of one list have changed; ``origin`` is what changed them.

    The changes themselves are in the entries' history, which the same transaction stores, so this event needs
    no row of its own. ``entry_ids`` is empty if there are too many.
    """

    name: ClassVar[str] = "entry.changed"
    topic: ClassVar[str] = "entries"
    local: ClassVar[bool] = True  # no other process subscribes, and a write should not wait for Redis
    user_id: int
    entry_ids: tuple[int, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class TitleChanged(Event):
    """Titles of the catalogue have changed; None means any of them."""

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
    """The status of a release has changed."""

    name: ClassVar[str] = "release.status"
    topic: ClassVar[str] = "releases"
    durable: ClassVar[bool] = True
    title_id: int
    old_status: Literal["airing", "finished", "upcoming"]
    new_status: Literal["airing", "finished", "upcoming"]
    at: datetime


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A durable event with its id; ids increase in commit order."""

    id: int
    event: Event
    stored_at: datetime
