"""Every background job: its name, arguments, key and limits."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal

from app.schemas.domain.anime import Season

JobStatus = Literal["queued", "running", "succeeded", "failed"]

JOBS: dict[str, type["Job"]] = {}


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done, as JSON-able fields. Two live jobs never share a key."""

    name: ClassVar[str]
    max_attempts: ClassVar[int] = 5
    timeout: ClassVar[float] = 300.0  # seconds for one attempt

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__:
            JOBS[cls.name] = cls

    @property
    def key(self) -> str:
        return ":".join([self.name, *(str(value) for value in asdict(self).values())])


@dataclass(frozen=True, slots=True)
class SyncAnime(Job):
    name: ClassVar[str] = "anime.sync"
    mal_id: int


@dataclass(frozen=True, slots=True)
class SyncTop(Job):
    name: ClassVar[str] = "anime.sync_top"
    timeout: ClassVar[float] = 1800.0
    limit: int


@dataclass(frozen=True, slots=True)
class SyncSeason(Job):
    name: ClassVar[str] = "anime.sync_season"
    timeout: ClassVar[float] = 1800.0
    year: int
    season: Season


@dataclass(frozen=True, slots=True)
class RefreshStale(Job):
    """Queue a refresh of every title that is airing or has grown stale, oldest first."""

    name: ClassVar[str] = "anime.refresh_stale"


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as its owner and the operators see it."""

    id: int
    key: str
    kind: str
    status: JobStatus
    done: int
    total: int | None
    error: str | None
    owner_id: int | None
    attempts: int
    arguments: dict[str, Any]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
