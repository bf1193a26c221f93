"""Jobs in the queue: their state, pages of them, and what a sweep did."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.schemas.jobs import JobClass, JobStatus


@dataclass(frozen=True, slots=True)
class EnqueuedJob:
    """The result of enqueueing a job; ``created`` is False if a live job had the same key."""

    id: int
    key: str
    status: JobStatus
    created: bool
    promoted: bool = False  # a queued job was moved to a more urgent class


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job to notify the workers of."""

    id: int
    job_class: JobClass


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job as seen by the run that holds it; ``age`` is the seconds since its first attempt began."""

    id: int
    kind: str
    arguments: dict[str, Any]
    attempts: int
    age: float
    job_class: JobClass


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as shown to its owner and to operators."""

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


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of jobs, newest first, and the total number of matches."""

    jobs: list[JobState]
    total: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """The numbers of jobs that one sweep sent again, requeued from dead workers, and failed."""

    sent: int = 0
    requeued: int = 0
    failed: int = 0
