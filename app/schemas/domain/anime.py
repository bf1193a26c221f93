"""An anime as services speak of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

from app.schemas.domain.pictures import Pictures, sizes_of
from app.schemas.domain.relations import UpstreamRelation

Status = Literal["airing", "finished", "upcoming"]
Season = Literal["winter", "spring", "summer", "fall"]
TagKind = Literal["genre", "theme", "demographic"]
NameSource = Literal["mal", "manual", "dump", "offline_database"]  # who gave a title its names

TITLE_MAX = 500  # characters; titles are indexed, and an index has a limit
ANIME_TYPES = ("TV", "Movie", "OVA", "ONA", "Special", "TV Special", "Music", "CM", "PV")
Rating = Literal[
    "G - All Ages",
    "PG - Children",
    "PG-13 - Teens 13 or older",
    "R - 17+ (violence & profanity)",
    "R+ - Mild Nudity",
    "Rx - Hentai",
]
RATINGS: tuple[str, ...] = get_args(Rating)


class UpstreamTag(NamedTuple):
    """A genre, theme or demographic; ``mal_id`` where the source knows it."""

    kind: TagKind
    name: str
    mal_id: int | None = None


class UpstreamStudio(NamedTuple):
    name: str
    mal_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamAnime:
    """What one source says of one title. ``None`` and empty mean that it does not say.

    Dates are ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``, as precise as the source really is.
    ``duration_minutes`` is the length of one episode. ``broadcast`` has the keys ``day``, ``time``,
    ``timezone`` and ``string``; ``images`` are the sizes that the source states, else those that follow
    from ``image_url``. ``synonyms`` and ``relations`` tell nothing said (``None``) from none left (empty),
    which takes back those that the source gave before.
    """

    title: str
    mal_id: int | None = None
    anilist_id: int | None = None
    title_english: str | None = None
    title_japanese: str | None = None
    title_russian: str | None = None
    synonyms: tuple[str, ...] | None = None
    type: str | None = None
    source: str | None = None
    status: Status | None = None
    season: Season | None = None
    year: int | None = None
    episodes: int | None = None
    duration_minutes: float | None = None
    rating: str | None = None
    score: float | None = None
    scored_by: int | None = None
    rank: int | None = None
    popularity: int | None = None
    members: int | None = None
    synopsis: str | None = None
    image_url: str | None = None
    images: Pictures | None = None
    trailer_url: str | None = None
    aired_from: str | None = None
    aired_to: str | None = None
    broadcast: dict[str, Any] | None = None
    is_adult: bool | None = None
    tags: tuple[UpstreamTag, ...] = ()
    studios: tuple[UpstreamStudio, ...] = ()
    relations: tuple[UpstreamRelation, ...] | None = None

    def __post_init__(self) -> None:
        if self.image_url is None:
            return
        derived, stated = sizes_of(self.image_url), self.images or {}
        whole = {size: stated.get(size) or url for size, url in derived.items()}
        # a source that knows no picture states nothing, which erases nothing
        object.__setattr__(self, "images", whole if any(whole.values()) else None)


@dataclass(frozen=True, slots=True)
class UpstreamPage:
    """One page of an upstream's list, each title once.

    ``has_next`` can be wrong where the upstream is: who walks pages also stops at one that brings
    nothing new. ``skipped`` items could not be understood.
    """

    items: tuple[UpstreamAnime, ...]
    has_next: bool
    total: int | None
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class StoredAnime:
    """A row of the catalogue ready to be sent: its JSON, and when an upstream last confirmed it."""

    id: int
    body: bytes
    synced_at: datetime | None
    status: Status | None


@dataclass(frozen=True, slots=True)
class AnimePage:
    """One page of the catalogue: a JSON array, and how many titles match in all.

    ``hidden`` more would match a search, were they not for adults.
    """

    body: bytes
    total: int
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Upserted:
    """What became of titles that an upstream told of: our ids by MAL's, and which were added or changed."""

    ids: dict[int, int]
    added: frozenset[int] = frozenset()
    updated: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """How a dump went in; ``faults`` name the bad rows, as ``(line, reason)``."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)
