"""Relations between titles: typed relations, franchises, watch orders."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from app.schemas.domain.library import EntryStatus, MediaType
from app.schemas.domain.watching import AnimeCard

RelationType = Literal[
    "prequel", "sequel", "parent_story", "side_story", "summary", "full_story", "spin_off",
    "alternative_version", "alternative_setting", "adaptation", "character", "other",
]  # fmt: skip
RELATION_TYPES: tuple[RelationType, ...] = get_args(RelationType)

INVERSES: Mapping[RelationType, RelationType] = {
    "prequel": "sequel",
    "sequel": "prequel",
    "parent_story": "side_story",
    "side_story": "parent_story",
    "summary": "full_story",
    "full_story": "summary",
    "spin_off": "parent_story",
    "alternative_version": "alternative_version",
    "alternative_setting": "alternative_setting",
    "character": "character",
    "other": "other",
}
"""The type of the opposite direction; an adaptation has none."""

_WORDS: Mapping[str, RelationType] = {
    **{name.replace("_", ""): name for name in RELATION_TYPES},
    "parent": "parent_story",
    "alternative": "alternative_version",
    "source": "adaptation",
    "compilation": "summary",
    "contains": "full_story",
    "samesetting": "alternative_setting",
}
_NO_LETTERS = re.compile(r"[^a-z]+")


@lru_cache(maxsize=256)
def relation_type(word: str) -> RelationType | None:
    """Our type for a word of MyAnimeList, AniList, AniDB or Shikimori, in any case and spelling."""
    return _WORDS.get(_NO_LETTERS.sub("", word.lower()))


class UpstreamRelation(NamedTuple):
    """A relation stated by one source: the second title is the ``type`` of the first. Ids are MyAnimeList's.

    ``title`` is the name of the second, if the source has it.
    """

    from_id: int
    to_id: int
    type: RelationType
    media_type: MediaType = "anime"
    title: str | None = None


@dataclass(frozen=True, slots=True)
class StoredRelation:
    """A recorded relation, by MyAnimeList ids, with the source that states it."""

    from_id: int
    to_id: int
    type: RelationType
    source: str
    media_type: MediaType = "anime"
    title: str | None = None


@dataclass(frozen=True, slots=True)
class RelatedTitle:
    """The data of a title that decides its position; ``minutes`` is the length of one episode."""

    card: AnimeCard
    type: str | None
    aired_from: str | None
    minutes: float | None


@dataclass(frozen=True, slots=True)
class Relation:
    """How another title relates to the requested one.

    ``inferred``: only the other side is recorded. ``disputed``: the records contradict each other, and the
    dates decided. ``anime`` is None for manga and for titles that are not in the catalogue.
    """

    type: RelationType
    media_type: MediaType
    mal_id: int
    sources: tuple[str, ...]
    inferred: bool
    disputed: bool
    title: str | None
    anime: AnimeCard | None


WatchRole = Literal["main", "side", "recap", "special", "alternative", "spin_off"]
WatchSort = Literal["release", "story"]
Included = Literal["recap", "special", "alternative", "spin_off"]


@dataclass(frozen=True, slots=True)
class Tie:
    """Why a title is at its position: it is the ``type`` of ``mal_id``."""

    type: RelationType
    mal_id: int


@dataclass(frozen=True, slots=True)
class Step:
    """A title at its position. ``released_later``: it was released after a title that it precedes."""

    mal_id: int
    role: WatchRole
    released_later: bool = False
    why: Tie | None = None


@dataclass(frozen=True, slots=True)
class Franchise:
    """A franchise: the MyAnimeList id of its first title, and its number of titles."""

    mal_id: int
    size: int


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """``alternatives`` are other versions of the story, each with its own order.

    ``related`` are loosely related parts.
    """

    franchise: Franchise
    steps: tuple[Step, ...]
    alternatives: tuple[tuple[Step, ...], ...] = ()
    related: tuple[Franchise, ...] = ()


@dataclass(frozen=True, slots=True)
class ListMark:
    """The user's progress in a title; ``score`` is 0 to 10."""

    status: EntryStatus
    progress: int
    score: float | None


@dataclass(frozen=True, slots=True)
class WatchOrder:
    """A plan with its titles; ``marks`` are the user's, by MyAnimeList id, None without a user."""

    sort: WatchSort
    plan: WatchPlan
    titles: Mapping[int, RelatedTitle]
    marks: Mapping[int, ListMark] | None

    @property
    def next(self) -> int | None:
        """The position, from 1, of the first title of the main line that is not completed."""
        if self.marks is None:
            return None
        for place, step in enumerate(self.plan.steps, start=1):
            mark = self.marks.get(step.mal_id)
            if step.role == "main" and (mark is None or mark.status != "completed"):
                return place
        return None
