"""Anime as the services use them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

from app.schemas.domain.pictures import Pictures, sizes_of
from app.schemas.domain.relations import UpstreamRelation

Status = Literal["airing", "finished", "upcoming"]
Season = Literal["winter", "spring", "summer", "fall"]
TagKind = Literal["genre", "theme", "demographic"]
NameSource = Literal["mal", "manual", "dump", "offline_database"]  # the origin of a title's names

TITLE_MAX = 500  # characters; titles are indexed, and index entries are limited in size
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
    """A genre, theme or demographic; ``mal_id`` if the source has it."""

    kind: TagKind
    name: str
    mal_id: int | None = None


class UpstreamStudio(NamedTuple):
    name: str
    mal_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamAnime:
    """One source's data of a title. ``None`` and empty values mean that the source does not state them.

    Dates are ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``, with the precision the source really has.
    ``duration_minutes`` is per episode. ``broadcast`` has the keys ``day``, ``time``, ``timezone`` and
    ``string``; ``images`` has the stated sizes, or else those derived from ``image_url``. For ``synonyms``
    and ``relations``, ``None`` means not stated, while empty means that there are none, which removes those
    that the source stated before.
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
        # a source without a picture states nothing, so that it erases nothing
        object.__setattr__(self, "images", whole if any(whole.values()) else None)


@dataclass(frozen=True, slots=True)
class UpstreamPage:
    """One page of an upstream's list, each title once.

    ``has_next`` can be wrong if the upstream is, so callers also stop at a page without new titles.
    ``skipped`` is the number of items that could not be mapped.
    """

    items: tuple[UpstreamAnime, ...]
    has_next: bool
    total: int | None
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class StoredAnime:
    """A title ready to be sent: its JSON, and when an upstream last confirmed it."""

    id: int
    body: bytes
    synced_at: datetime | None
    status: Status | None


@dataclass(frozen=True, slots=True)
class AnimePage:
    """One page of the catalogue: a JSON array, and the total number of matching titles.

    ``hidden`` is the number of further matches that are hidden as adult titles.
    """

    body: bytes
    total: int
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Upserted:
    """The result of storing an upstream's titles: our ids by MAL id, and which were added or updated."""

    ids: dict[int, int]
    added: frozenset[int] = frozenset()
    updated: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """The result of importing a dump; ``faults`` are the invalid rows, as ``(line, reason)``."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)
