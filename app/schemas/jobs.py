"""Every background job: its name, arguments, key and limits."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from pydantic import TypeAdapter, ValidationError

from app.schemas.domain.anime import Season
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ImportMode

JobStatus = Literal["queued", "running", "succeeded", "failed"]

# Most urgent first. Each class has its own share of a worker.
JobClass = Literal["mail", "push", "order", "import", "upkeep"]

JOBS: dict[str, type["Job"]] = {}


@dataclass(frozen=True, slots=True)
class Share:
    """The concurrency limits of a job class.

    ``slots`` is the number in one worker; over all workers, ``per_person`` is the number per user, and
    ``without_user`` that of jobs without a user.
    """

    slots: int
    per_person: int
    without_user: int


SHARES: dict[JobClass, Share] = {
    "mail": Share(4, per_person=2, without_user=4),
    "push": Share(4, per_person=2, without_user=4),
    "order": Share(4, per_person=2, without_user=3),  # without a user: refreshes on demand
    "import": Share(2, per_person=1, without_user=2),
    "upkeep": Share(3, per_person=3, without_user=1_000),
}


class UnreadableJob(Exception):
    """A stored job whose kind or arguments this version of the program does not know."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as JSON-serialisable fields. No two live jobs have the same key.

    ``job_class`` is the class it is queued in by default.
    """

    name: ClassVar[str]
    max_attempts: ClassVar[int] = 5
    timeout: ClassVar[float] = 300.0  # seconds per attempt
    job_class: ClassVar[JobClass] = "order"

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__:
            JOBS[cls.name] = cls

    @property
    def queue_class(self) -> JobClass:
        """The class in which this job is queued."""
        return self.job_class

    @property
    def key(self) -> str:
        values = ("" if value is None else str(value) for value in self.arguments.values())
        return ":".join([self.name, *values])

    @property
    def person(self) -> int | None:
        """The id of the user whose share of the workers it counts towards, if that is not its owner."""
        return None

    @property
    def arguments(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def read(kind: str, arguments: dict[str, Any]) -> "Job":
        """The job stored as ``kind`` and ``arguments``; raises :class:`UnreadableJob`."""
        if kind not in JOBS:
            raise UnreadableJob(f"No such kind of job is known: {kind}.")
        try:
            return TypeAdapter(JOBS[kind]).validate_python(arguments)
        except ValidationError as error:
            raise UnreadableJob(f"The arguments do not fit {kind}.") from error


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
class ImportList(Job):
    """Import a user's list file, which is stored with the job; ``digest`` is its SHA-256.

    ``media_type`` is the kind to assume for files that do not state it; ``mode`` can allow progress to
    decrease.
    """

    name: ClassVar[str] = "library.import"
    job_class: ClassVar[JobClass] = "import"
    timeout: ClassVar[float] = 1800.0
    is_dry_run: ClassVar[bool] = False
    user_id: int
    digest: str
    media_type: MediaType | None = None
    mode: ImportMode = "merge"


@dataclass(frozen=True, slots=True)
class PreviewImport(ImportList):
    """Report what :class:`ImportList` would do with the file, without changing anything."""

    name: ClassVar[str] = "library.import_preview"
    is_dry_run: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ImportPublicList(ImportList):
    """Import a user's public AniList lists; ``digest`` is the user name there.

    The fetched lists are stored with the job, like an uploaded file.
    """

    name: ClassVar[str] = "library.import_public"


@dataclass(frozen=True, slots=True)
class BackfillTotals(Job):
    """Fetch totals and ids from AniList for entries without a catalogue title."""

    name: ClassVar[str] = "library.backfill"
    job_class: ClassVar[JobClass] = "upkeep"
    timeout: ClassVar[float] = 7200.0


@dataclass(frozen=True, slots=True)
class SyncList(Job):
    """Sync a user's list with a service in both directions.

    With ``only_fetch`` nothing is sent; ``media_type`` limits it to one type.
    """

    name: ClassVar[str] = "sync.list"
    timeout: ClassVar[float] = 7200.0
    user_id: int
    service: str
    media_type: MediaType | None = None
    only_fetch: bool = False

    @property
    def person(self) -> int:
        return self.user_id


@dataclass(frozen=True, slots=True)
class PushList(Job):
    """Send a user's unsent changes to a service."""

    name: ClassVar[str] = "sync.push"
    job_class: ClassVar[JobClass] = "push"
    timeout: ClassVar[float] = 7200.0
    user_id: int
    service: str

    @property
    def person(self) -> int:
        return self.user_id


@dataclass(frozen=True, slots=True)
class SyncDue(Job):
    """Queue the syncs that are due, and pushes that were left over."""

    name: ClassVar[str] = "sync.due"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class TendAccounts(Job):
    """Remind users of linked accounts that will have to be reconnected."""

    name: ClassVar[str] = "sync.tend_accounts"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class UndoImport(Job):
    """Undo the changes of an import; ``import_id`` is the id of its job."""

    name: ClassVar[str] = "library.import_undo"
    job_class: ClassVar[JobClass] = "import"
    timeout: ClassVar[float] = 1800.0
    user_id: int
    import_id: int


@dataclass(frozen=True, slots=True)
class MatchEntries(Job):
    """Link entries without a catalogue title to titles added since."""

    name: ClassVar[str] = "library.match"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class ForgetChanges(Job):
    """Delete old changes from long histories of entries."""

    name: ClassVar[str] = "library.forget_changes"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class ForgetKeys(Job):
    """Delete expired idempotency keys."""

    name: ClassVar[str] = "library.forget_keys"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class RefreshStale(Job):
    """Queue a refresh of every title that is airing or stale, oldest first."""

    name: ClassVar[str] = "anime.refresh_stale"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class FitRecommendations(Job):
    """Fit the recommendation model to all lists."""

    name: ClassVar[str] = "recommendations.fit"
    job_class: ClassVar[JobClass] = "upkeep"
    timeout: ClassVar[float] = 1800.0


@dataclass(frozen=True, slots=True)
class ForgetJobs(Job):
    """Delete old finished jobs."""

    name: ClassVar[str] = "jobs.forget"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class ForgetEvents(Job):
    """Delete old durable events."""

    name: ClassVar[str] = "events.forget"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class SendMail(Job):
    """A mail about an account, to its own address unless ``to`` is set. ``nonce`` makes the key unique."""

    name: ClassVar[str] = "accounts.mail"
    job_class: ClassVar[JobClass] = "mail"
    timeout: ClassVar[float] = 60.0
    user_id: int
    topic: Literal["reset", "password_changed", "email_changed", "connection_expires"]
    nonce: str
    to: str | None = None

    @property
    def person(self) -> int:
        return self.user_id


@dataclass(frozen=True, slots=True)
class TidyAccounts(Job):
    """Delete what has expired: sessions, tokens, throttles, addresses; and unused pictures."""

    name: ClassVar[str] = "accounts.tidy"
    job_class: ClassVar[JobClass] = "upkeep"
