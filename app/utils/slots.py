"""How many costly things one client may have under way at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class NoSlot(Exception):
    """The client has as many under way, and as many waiting, as it may."""


class Slots:
    """At most ``running`` at once for each key; ``waiting`` more wait for at most ``patience`` seconds.

    Counted in this process only.
    """

    def __init__(self, *, running: int, waiting: int, patience: float) -> None:
        self._running = running
        self._waiting = waiting
        self._patience = patience
        self._taken: dict[int, int] = {}
        self._queues: dict[int, asyncio.Semaphore] = {}

    async def take(self, key: int) -> Callable[[], None]:
        """Wait for a slot of the key; answers what gives it back. Raises :class:`NoSlot`."""
        if self._taken.get(key, 0) >= self._running + self._waiting:
            raise NoSlot
        queue = self._queues.setdefault(key, asyncio.Semaphore(self._running))
        self._taken[key] = self._taken.get(key, 0) + 1
        try:
            await asyncio.wait_for(queue.acquire(), self._patience)
        except TimeoutError:
            self._forget(key)
            raise NoSlot from None
        except BaseException:
            self._forget(key)
            raise
        return self._release(key, queue)

    @asynccontextmanager
    async def slot(self, key: int) -> AsyncIterator[None]:
        """:meth:`take` for as long as the block lasts."""
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
