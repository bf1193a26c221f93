"""Change events of the catalogue, which invalidate caches in every process."""

import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Protocol

from app.schemas.events import TitleChanged
from app.utils.redis.bus import Bus

_BURST = 3  # successive updates that invalidate everything
_EVERY = 10.0  # seconds until another one may


class Listener(Protocol):
    """``titles`` are the ids of titles whose own pages are outdated; ``None`` means everything."""

    def __call__(self, titles: Collection[int] | None = None) -> None: ...


class Announcer(Protocol):
    """Publishes changes of the catalogue to every process; to be called after the commit."""

    async def publish(self) -> None: ...

    async def announce_updates(self, titles: Collection[int]) -> None: ...


class CatalogueEvents:
    """Writers of the catalogue pass :meth:`publish` to ``tx.after_commit``.

    Listeners in this process are called before it returns, those in others a moment later. While Redis is
    down others are not notified, so caches must expire within seconds. ``clock`` is in seconds.
    """

    def __init__(self, bus: Bus, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._clock = clock
        self._full_until = float("-inf")

    def on_change(self, listener: Listener) -> None:
        """Call ``listener`` after each change that this process makes."""
        self._bus.attach(TitleChanged.topic, lambda message: listener(TitleChanged.decode(message).anime_ids))

    async def publish(self) -> None:
        """Publish that anything may have changed."""
        await self._notify(None)

    async def announce_updates(self, titles: Collection[int]) -> None:
        """Publish changes of these titles, about once a second while stale ones are refreshed.

        The first few also invalidate lists. During a series of changes lists expire by their TTL instead,
        since they could not be cached otherwise; the pages of the titles are invalidated immediately.
        """
        await self._notify(None if self._may_be_full() else titles)

    @asynccontextmanager
    async def subscribe(self, listener: Listener) -> AsyncIterator[None]:
        """Call ``listener`` after each change in any process, and whenever a change may have been missed."""
        async with self._bus.subscribe(
            TitleChanged.topic,
            on_message=lambda message: listener(TitleChanged.decode(message).anime_ids),
            on_gap=listener,
        ):
            yield

    def _may_be_full(self) -> bool:
        now = self._clock()
        if self._full_until - now > (_BURST - 1) * _EVERY:
            return False
        self._full_until = max(self._full_until, now) + _EVERY
        return True

    async def _notify(self, titles: Collection[int] | None) -> None:
        event = TitleChanged(None if titles is None else tuple(titles))
        await self._bus.publish(TitleChanged.topic, event.encode())
