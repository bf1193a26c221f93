"""Events of the catalogue: told to whatever keeps answers made from it, in every process."""

import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Protocol

from app.schemas.events import TitleChanged
from app.utils.redis.bus import Bus

_BURST = 3  # updates in a row that are announced to their full extent
_EVERY = 10.0  # seconds until one more is


class Listener(Protocol):
    """``titles`` are our ids of those whose own pages alone are out of date; ``None`` means everything."""

    def __call__(self, titles: Collection[int] | None = None) -> None: ...


class Announcer(Protocol):
    """Tells every process that the catalogue has changed; after the commit."""

    async def publish(self) -> None: ...

    async def announce_updates(self, titles: Collection[int]) -> None: ...


class CatalogueEvents:
    """Whoever writes the catalogue hands :meth:`publish` to ``tx.after_commit``.

    In this process it is heard before the call returns, in others a moment later. While Redis is away the
    others hear nothing: what they keep must not live for more than some seconds. ``clock`` is in seconds.
    """

    def __init__(self, bus: Bus, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._clock = clock
        self._full_until = float("-inf")

    def on_change(self, listener: Listener) -> None:
        """Call ``listener`` after each change that this process makes."""
        self._bus.attach(TitleChanged.topic, lambda message: listener(TitleChanged.decode(message).anime_ids))

    async def publish(self) -> None:
        """Anything may have changed."""
        await self._tell(None)

    async def announce_updates(self, titles: Collection[int]) -> None:
        """These titles have changed, as happens about once a second while stale ones are refreshed.

        A few such changes concern every list too. In a stream of them, lists are left to grow old as they do
        when Redis is away, or nobody could keep any; the pages of the titles themselves never wait.
        """
        await self._tell(None if self._may_be_full() else titles)

    @asynccontextmanager
    async def subscribe(self, listener: Listener) -> AsyncIterator[None]:
        """Call ``listener`` after each change in any process, and whenever one may have been missed."""
        async with self._bus.subscribe(
            TitleChanged.topic,
            heard=lambda message: listener(TitleChanged.decode(message).anime_ids),
            missed=listener,
        ):
            yield

    def _may_be_full(self) -> bool:
        now = self._clock()
        if self._full_until - now > (_BURST - 1) * _EVERY:
            return False
        self._full_until = max(self._full_until, now) + _EVERY
        return True

    async def _tell(self, titles: Collection[int] | None) -> None:
        event = TitleChanged(None if titles is None else tuple(titles))
        await self._bus.publish(TitleChanged.topic, event.encode())
