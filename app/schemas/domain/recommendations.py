"""What may be asked of recommendations, and what they are made from."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.schemas.domain.catalogue import ANIME_KEYS

RecommendationMode = Literal["discover", "continue", "all"]
Algorithm = Literal["model", "genres"]
RATING_STATUSES = ("", "completed", "watching", "on_hold", "dropped", "plan_to_watch")
"""The status of an entry is its place here where a million are handled; the first is for none."""

Because = Literal["liked", "listed", "popular", "new"]
"""Why a title is recommended: for what the person liked, or merely lists, or for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which recommendations; ``mode`` None begins with some of what was begun, and goes on with what is new."""

    mode: RecommendationMode | None = None
    algo: Algorithm = "model"
    diversity: float = 0.0
    sfw: bool = False
    limit: int = 10
    offset: int = 0
    keys: tuple[str, ...] = ANIME_KEYS


@dataclass(frozen=True, slots=True)
class Recommended:
    """A title to show, by id, and the listed titles that it comes from."""

    anime_id: int
    part: Literal["continue", "discover"]
    why: Because
    because: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Stamp:
    """What recommendations depend on, as far as it changes: the model, the list, what is not wanted."""

    model_id: int | None
    listed_at: datetime | None
    deleted_at: datetime | None
    ignored: int
    ignored_at: datetime | None


@dataclass(frozen=True, slots=True)
class FitSummary:
    """What a model was fitted from, and how large it is, in bytes."""

    lists: int
    entries: int
    titles: int
    learned: int
    size: int
    seconds: float
