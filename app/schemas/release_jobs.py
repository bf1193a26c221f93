"""Background jobs that follow AniLibria and tell the Node service."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from app.schemas.jobs import Job, JobClass


@dataclass(frozen=True, slots=True)
class PollReleases(Job):
    """Turn what is new at AniLibria into rows and events."""

    name: ClassVar[str] = "releases.poll"
    job_class: ClassVar[JobClass] = "push"
    max_attempts: ClassVar[int] = 3  # spans a short outage; the next poll comes soon anyway
    timeout: ClassVar[float] = 300.0


@dataclass(frozen=True, slots=True)
class MirrorReleases(Job):
    """Read AniLibria's whole catalogue."""

    name: ClassVar[str] = "releases.mirror"
    job_class: ClassVar[JobClass] = "upkeep"
    max_attempts: ClassVar[int] = 3
    timeout: ClassVar[float] = 1800.0


@dataclass(frozen=True, slots=True)
class LinkReleases(Job):
    """Link releases to the anime of the catalogue."""

    name: ClassVar[str] = "releases.link"
    job_class: ClassVar[JobClass] = "upkeep"
    timeout: ClassVar[float] = 1800.0


_CLASSES: dict[str, JobClass] = {"high": "push", "normal": "order", "low": "upkeep"}


@dataclass(frozen=True, slots=True)
class SyncRelease(Job):
    """Read one release of AniLibria anew; unless forced, only if it is unknown."""

    name: ClassVar[str] = "releases.sync"
    title_id: int
    force: bool = False
    priority: Literal["low", "normal", "high"] = "normal"

    @property
    def queue_class(self) -> JobClass:
        return _CLASSES[self.priority]

    @property
    def key(self) -> str:
        return f"{self.name}:{self.title_id}:{self.force:d}"


@dataclass(frozen=True, slots=True)
class NotifyNode(Job):
    """Tell the Node service of an event; ``event_key`` is the same however often it is told."""

    name: ClassVar[str] = "node.notify"
    job_class: ClassVar[JobClass] = "push"
    max_attempts: ClassVar[int] = 10
    timeout: ClassVar[float] = 90.0
    event_key: str
    message: dict[str, Any]

    @property
    def key(self) -> str:
        return f"{self.name}:{self.event_key}"
