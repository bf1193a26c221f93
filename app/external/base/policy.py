"""The limits of upstream calls: deadlines of callers, response size, connections."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from app.errors import AppError
from app.utils.redis.rate_limit import Rate, Traffic


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long a caller waits; all times in seconds.

    ``budget`` covers everything: waiting for a slot, all attempts, and the pauses between them.
    ``queue_timeout`` is the longest wait for a slot; the rest of the budget is reserved for the call.
    ``attempt`` is the timeout of a single call, ``pause`` the maximum of the first backoff. ``traffic`` is
    the priority at the rate limiter; an upkeep call becomes an order once ``promoted`` is set.
    """

    name: str
    budget: float
    queue_timeout: float
    attempt: float
    attempts: int
    pause: float
    traffic: Traffic
    promoted: asyncio.Event | None = None


# A reader waits for at most two steps of Jikan's rate (see utils.redis.rate_limit) plus a margin.
USER = Deadline("user", budget=3.2, queue_timeout=2.4, attempt=3.0, attempts=3, pause=0.2, traffic="reader")
JOB = Deadline("job", budget=60.0, queue_timeout=55.0, attempt=15.0, attempts=5, pause=1.0, traffic="order")
UPKEEP = replace(JOB, name="upkeep", traffic="upkeep")


@dataclass(frozen=True, slots=True)
class Policy:
    """``name`` is for metrics, ``title`` for messages; ``size_limit`` is in bytes, after decompression.

    ``explain`` maps the status of a 4xx (other than 404, 408 and 429) and its JSON body, or None, to the
    failure that this upstream means by it; None if it is just a refusal.
    """

    name: str
    title: str
    size_limit: int = 5_000_000
    connections: int = 20
    explain: Callable[[int, Any], AppError | None] | None = None


class Limiter(Protocol):
    """Hands out the slots of calls; see ``utils.redis.rate_limit``."""

    async def acquire(
        self, *, traffic: Traffic, max_wait: float, promoted: asyncio.Event | None = None
    ) -> float: ...

    async def ban(self, seconds: float) -> None: ...

    def pace(self, rate: Rate) -> None: ...
