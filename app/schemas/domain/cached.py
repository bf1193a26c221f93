"""An answer that may have come from a cache, and says so."""

from dataclasses import dataclass
from typing import Literal

CacheState = Literal["hit", "miss", "stale"]


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """``body`` is JSON; ``age`` is in seconds since the upstream was asked, ``None`` if it never was."""

    body: bytes
    state: CacheState
    age: int | None
