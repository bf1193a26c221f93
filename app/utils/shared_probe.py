"""Looking at something that may not answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from app.utils.background import report_failure

T = TypeVar("T")


class SharedProbe(Generic[T]):
    """One look at a time, however many ask; each of them waits for a bounded time.

    A look that takes longer is not cancelled, which would cost its connection, but left to end by itself.
    """

    def __init__(self, look: Callable[[], Awaitable[T]]) -> None:
        self._look = look
        self._under_way: asyncio.Future[T] | None = None

    async def ask(self, seconds: float) -> T | None:
        """What the look found; None when it takes longer than ``seconds``."""
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.ensure_future(self._look())
            self._under_way.add_done_callback(report_failure)
        done, _ = await asyncio.wait({self._under_way}, timeout=seconds)
        return self._under_way.result() if done else None

    async def close(self) -> None:
        """Give up a look that is still under way."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)
