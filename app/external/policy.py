"""What is asked of every upstream: who waits how long, and how much is read."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a caller waits; all times in seconds.

    ``budget`` covers everything: waiting for a slot, all attempts, and the pauses between them. ``turn`` is
    the longest wait for a slot, and what it leaves of the budget is kept for the call. ``attempt`` is the
    longest single call, ``pause`` the upper end of the first pause.
    """

    name: str
    budget: float
    turn: float
    attempt: float
    attempts: int
    pause: float
    background: bool


USER = Patience("user", budget=3.0, turn=2.0, attempt=3.0, attempts=3, pause=0.2, background=False)
JOB = Patience("job", budget=60.0, turn=55.0, attempt=15.0, attempts=5, pause=1.0, background=True)


@dataclass(frozen=True, slots=True)
class Policy:
    """``name`` is for figures, ``title`` for people; ``size_limit`` is in bytes, after decompression."""

    name: str
    title: str
    size_limit: int = 5_000_000
    connections: int = 20


class Limiter(Protocol):
    """What hands out the moments at which calls may leave; see ``utils.rate_limit``."""

    async def acquire(self, *, background: bool, max_wait: float) -> float: ...

    async def ban(self, seconds: float) -> None: ...
