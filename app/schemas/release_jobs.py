"""Background jobs that poll AniLibria and notify the Node service."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from app.schemas.jobs import Job, JobClass


@dataclass(frozen=True, slots=True)
class PollReleases(Job):
    """Store AniLibria's latest releases, and emit events for what is new."""

    name: ClassVar[str] = "releases.poll"
    job_class: ClassVar[JobClass] = "push"
    max_attempts: ClassVar[int] = 3  # enough for a short outage; the next poll comes soon anyway
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
    """Fetch a release from AniLibria; without ``force`` only if it is unknown."""

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
    """Send an event to the Node service; ``event_key`` is the same for every repetition of an event."""

    name: ClassVar[str] = "node.notify"
    job_class: ClassVar[JobClass] = "push"
    max_attempts: ClassVar[int] = 10
    timeout: ClassVar[float] = 90.0
    event_key: str
    message: dict[str, Any]

    @property
    def key(self) -> str:
        return f"{self.name}:{self.event_key}"
