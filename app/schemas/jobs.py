"""Every background job: its name, arguments, key and limits."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from pydantic import TypeAdapter, ValidationError

from app.schemas.domain.anime import Season
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ImportMode

JobStatus = Literal["queued", "running", "succeeded", "failed"]

# Most urgent first: what it is for decides who goes first, and each has its own share of a worker.
JobClass = Literal["mail", "push", "order", "import", "upkeep"]

JOBS: dict[str, type["Job"]] = {}


@dataclass(frozen=True, slots=True)
class Share:
    """How many jobs of a class run at once: ``slots`` in one worker, and over all workers ``per_person``,
    or ``nobodys`` of those on behalf of nobody."""

    slots: int
    per_person: int
    nobodys: int


SHARES: dict[JobClass, Share] = {
    "mail": Share(4, per_person=2, nobodys=4),
    "push": Share(4, per_person=2, nobodys=4),
    "order": Share(4, per_person=2, nobodys=3),  # nobody's are refreshes of stale titles that somebody read
    "import": Share(2, per_person=1, nobodys=2),
    "upkeep": Share(3, per_person=3, nobodys=1_000),
}


class UnreadableJob(Exception):
    """A stored job of a kind, or with arguments, that this version of the program does not know."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done, as JSON-able fields. Two live jobs never share a key.

    ``job_class`` is the class it is queued in unless another is asked for.
    """

    name: ClassVar[str]
    max_attempts: ClassVar[int] = 5
    timeout: ClassVar[float] = 300.0  # seconds for one attempt
    job_class: ClassVar[JobClass] = "order"

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__:
            JOBS[cls.name] = cls

    @property
    def queue_class(self) -> JobClass:
        """The class that this very job is queued in."""
        return self.job_class

    @property
    def key(self) -> str:
        values = ("" if value is None else str(value) for value in self.arguments.values())
        return ":".join([self.name, *values])

    @property
    def person(self) -> int | None:
        """The id of the person whose share of the workers it uses, where that is not its owner."""
        return None

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
    """Read a person's list file, which lies beside the job; ``digest`` is its SHA-256.

    ``media_type`` is what a file lists that does not say so; ``mode`` may let progress fall.
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
    """Report what :class:`ImportList` would do with the file, and change nothing."""

    name: ClassVar[str] = "library.import_preview"
    is_dry_run: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ImportPublicList(ImportList):
    """Import somebody's public lists at AniList; ``digest`` is the name of the person there.

    What AniList told lies beside the job as a file would, once it was fetched.
    """

    name: ClassVar[str] = "library.import_public"


@dataclass(frozen=True, slots=True)
class BackfillTotals(Job):
    """Ask AniList for the totals and ids of titles that only people know."""

    name: ClassVar[str] = "library.backfill"
    job_class: ClassVar[JobClass] = "upkeep"
    timeout: ClassVar[float] = 7200.0


@dataclass(frozen=True, slots=True)
class SyncList(Job):
    """Bring a person's list and a service's together; or ``only_fetch``, of one kind where that is given."""

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
    """Tell a service what it was not told yet of a person's list."""

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
    """Queue the syncs whose time has come, and the pushes that were left behind."""

    name: ClassVar[str] = "sync.due"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class TendAccounts(Job):
    """Remind people of accounts at services that will have to be connected again."""

    name: ClassVar[str] = "sync.tend_accounts"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class UndoImport(Job):
    """Take back what an import changed; ``import_id`` is the id of its job."""

    name: ClassVar[str] = "library.import_undo"
    job_class: ClassVar[JobClass] = "import"
    timeout: ClassVar[float] = 1800.0
    user_id: int
    import_id: int


@dataclass(frozen=True, slots=True)
class MatchEntries(Job):
    """Link entries of unknown titles to those that the catalogue has come to know."""

    name: ClassVar[str] = "library.match"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class ForgetChanges(Job):
    """Delete what is old of the long histories of list entries."""

    name: ClassVar[str] = "library.forget_changes"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class ForgetKeys(Job):
    """Delete idempotency keys that are no longer honoured."""

    name: ClassVar[str] = "library.forget_keys"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class RefreshStale(Job):
    """Queue a refresh of every title that is airing or has grown stale, oldest first."""

    name: ClassVar[str] = "anime.refresh_stale"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class FitRecommendations(Job):
    """Learn anew from all lists what is recommended to whom."""

    name: ClassVar[str] = "recommendations.fit"
    job_class: ClassVar[JobClass] = "upkeep"
    timeout: ClassVar[float] = 1800.0


@dataclass(frozen=True, slots=True)
class ForgetJobs(Job):
    """Delete finished jobs that nobody will ask for again."""

    name: ClassVar[str] = "jobs.forget"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class ForgetEvents(Job):
    """Delete durable events that nobody will read again."""

    name: ClassVar[str] = "events.forget"
    job_class: ClassVar[JobClass] = "upkeep"


@dataclass(frozen=True, slots=True)
class SendMail(Job):
    """A mail about an account, to its own address unless another is given. ``nonce`` makes each one new."""

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
    """Delete what has run out: sessions, tokens, throttles, addresses, pictures that nobody shows."""

    name: ClassVar[str] = "accounts.tidy"
    job_class: ClassVar[JobClass] = "upkeep"
