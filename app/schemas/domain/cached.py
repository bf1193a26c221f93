"""A response that may come from a cache."""

from dataclasses import dataclass
from typing import Literal

CacheState = Literal["hit", "miss", "stale"]


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """``body`` is JSON; ``age`` is the seconds since the upstream was called, ``None`` if it never was."""

    body: bytes
    state: CacheState
    age: int | None
