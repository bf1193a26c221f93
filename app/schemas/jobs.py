"""Every background job: its name, arguments, key and limits; and what is known of one in the queue."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import TypeAdapter, ValidationError

from app.schemas.domain.anime import Season

JobStatus = Literal["queued", "running", "succeeded", "failed"]

JOBS: dict[str, type["Job"]] = {}


class UnreadableJob(Exception):
    """A stored job of a kind, or with arguments, that this version of the program does not know."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done, as JSON-able fields. Two live jobs never share a key."""

    name: ClassVar[str]
    max_attempts: ClassVar[int] = 5
    timeout: ClassVar[float] = 300.0  # seconds for one attempt
    bulk: ClassVar[bool] = False  # there may be hundreds in line: all others go first

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__:
            JOBS[cls.name] = cls

    @property
    def key(self) -> str:
        return ":".join([self.name, *(str(value) for value in self.arguments.values())])

    @property
    def arguments(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def read(kind: str, arguments: dict[str, Any]) -> "Job":
        """The job that was stored as ``kind`` and ``arguments``, or :class:`UnreadableJob`."""
        if kind not in JOBS:
            raise UnreadableJob(f"No such kind of job is known: {kind}.")
        try:
            return TypeAdapter(JOBS[kind]).validate_python(arguments)
        except ValidationError as error:
            raise UnreadableJob(f"The arguments do not fit {kind}.") from error


@dataclass(frozen=True, slots=True)
class SyncAnime(Job):
    name: ClassVar[str] = "anime.sync"
    bulk: ClassVar[bool] = True
    mal_id: int


@dataclass(frozen=True, slots=True)
class SyncTop(Job):
    name: ClassVar[str] = "anime.sync_top"
    bulk: ClassVar[bool] = True
    timeout: ClassVar[float] = 1800.0
    limit: int


@dataclass(frozen=True, slots=True)
class SyncSeason(Job):
    name: ClassVar[str] = "anime.sync_season"
    bulk: ClassVar[bool] = True
    timeout: ClassVar[float] = 1800.0
    year: int
    season: Season


@dataclass(frozen=True, slots=True)
class ImportList(Job):
    """Read a person's list file, which lies beside the job; ``digest`` is its SHA-256."""

    name: ClassVar[str] = "library.import"
    timeout: ClassVar[float] = 1800.0
    user_id: int
    digest: str


@dataclass(frozen=True, slots=True)
class MatchEntries(Job):
    """Link entries of unknown titles to those that the catalogue has come to know."""

    name: ClassVar[str] = "library.match"


@dataclass(frozen=True, slots=True)
class ForgetChanges(Job):
    """Delete what is old of the long histories of list entries."""

    name: ClassVar[str] = "library.forget_changes"


@dataclass(frozen=True, slots=True)
class ForgetKeys(Job):
    """Delete idempotency keys that are no longer honoured."""

    name: ClassVar[str] = "library.forget_keys"


@dataclass(frozen=True, slots=True)
class RefreshStale(Job):
    """Queue a refresh of every title that is airing or has grown stale, oldest first."""

    name: ClassVar[str] = "anime.refresh_stale"


@dataclass(frozen=True, slots=True)
class ForgetJobs(Job):
    """Delete finished jobs that nobody will ask for again."""

    name: ClassVar[str] = "jobs.forget"


@dataclass(frozen=True, slots=True)
class SendMail(Job):
    """A mail about an account, to its own address unless another is given. ``nonce`` makes each one new."""

    name: ClassVar[str] = "accounts.mail"
    timeout: ClassVar[float] = 60.0
    user_id: int
    topic: Literal["reset", "password_changed", "email_changed"]
    nonce: str
    to: str | None = None


@dataclass(frozen=True, slots=True)
class TidyAccounts(Job):
    """Delete what has run out: sessions, tokens, throttles, addresses, pictures that nobody shows."""

    name: ClassVar[str] = "accounts.tidy"


@dataclass(frozen=True, slots=True)
class EnqueuedJob:
    """Where a request for a job led; ``created`` is False when a live job had the key already."""

    id: int
    key: str
    status: JobStatus
    created: bool


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job as the run that holds it sees it; ``age`` is in seconds since its first attempt began."""

    id: int
    kind: str
    arguments: dict[str, Any]
    attempts: int
    age: float


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


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of jobs, newest first, and how many match in all."""

    jobs: list[JobState]
    total: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one sweep did: jobs rung for again, taken from dead workers, and given up."""

    sent: int = 0
    requeued: int = 0
    failed: int = 0
