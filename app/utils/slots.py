"""Concurrency limits per client for expensive operations."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class NoSlot(Exception):
    """The key already has the maximum number of running and waiting operations."""


class Slots:
    """At most ``running`` operations at once per key; ``waiting`` more wait up to ``timeout`` seconds.

    Counted per process.
    """

    def __init__(self, *, running: int, waiting: int, timeout: float) -> None:
        self._running = running
        self._waiting = waiting
        self._timeout = timeout
        self._taken: dict[int, int] = {}
        self._queues: dict[int, asyncio.Semaphore] = {}

    async def take(self, key: int) -> Callable[[], None]:
        """Wait for a slot of the key and return the function that releases it. Raises :class:`NoSlot`."""
        if self._taken.get(key, 0) >= self._running + self._waiting:
            raise NoSlot
        queue = self._queues.setdefault(key, asyncio.Semaphore(self._running))
        self._taken[key] = self._taken.get(key, 0) + 1
        try:
            await asyncio.wait_for(queue.acquire(), self._timeout)
        except TimeoutError:
            self._forget(key)
            raise NoSlot from None
        except BaseException:
            self._forget(key)
            raise
        return self._release(key, queue)

    @asynccontextmanager
    async def slot(self, key: int) -> AsyncIterator[None]:
        """Hold a slot for the duration of the block. Raises :class:`NoSlot`."""
        release = await self.take(key)
        try:
            yield
        finally:
            release()

    def _release(self, key: int, queue: asyncio.Semaphore) -> Callable[[], None]:
        held = True

        def release() -> None:
            nonlocal held
            if held:
                held = False
                queue.release()
                self._forget(key)

        return release

    def _forget(self, key: int) -> None:
        self._taken[key] -= 1
        if not self._taken[key]:
            del self._taken[key], self._queues[key]
