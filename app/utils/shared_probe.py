"""Probe a dependency that may not answer, once for all concurrent callers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from app.utils.background import report_failure

T = TypeVar("T")


class SharedProbe(Generic[T]):
    """Runs at most one probe at a time; every caller shares its result and waits for a bounded time.

    A probe that takes longer is left to finish by itself: cancelling it would cost its connection.
    """

    def __init__(self, probe: Callable[[], Awaitable[T]]) -> None:
        self._probe = probe
        self._running: asyncio.Future[T] | None = None

    async def ask(self, seconds: float) -> T | None:
        """The result of the probe; None if it takes longer than ``seconds``."""
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(self._probe())
            self._running.add_done_callback(report_failure)
        done, _ = await asyncio.wait({self._running}, timeout=seconds)
        return self._running.result() if done else None

    async def close(self) -> None:
        """Cancel a probe that is still running."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
