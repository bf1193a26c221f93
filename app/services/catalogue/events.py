"""Word that the catalogue has changed, to whatever keeps answers made from it, in every process."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Protocol
from uuid import uuid4

from redis.asyncio import Redis

from app.utils.background import start_loop
from app.utils.redis.client import REDIS_FAULTS
from app.utils.redis.pubsub import Listener as Channel

_CHANNEL = "catalogue:changed"
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

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._sender = uuid4().hex.encode()
        self._listeners: list[Listener] = []
        self._clock = clock
        self._full_until = float("-inf")

    def on_change(self, listener: Listener) -> None:
        """Call ``listener`` after each change that this process makes."""
        self._listeners.append(listener)

    async def publish(self) -> None:
        """Anything may have changed."""
        await self._spread(None)

    async def announce_updates(self, titles: Collection[int]) -> None:
        """These titles have changed, as happens about once a second while stale ones are refreshed.

        A few such changes concern every list too. In a stream of them, lists are left to grow old as they do
        when Redis is away, or nobody could keep any; the pages of the titles themselves never wait.
        """
        await self._spread(None if self._may_be_full() else titles)

    def _may_be_full(self) -> bool:
        now = self._clock()
        if self._full_until - now > (_BURST - 1) * _EVERY:
            return False
        self._full_until = max(self._full_until, now) + _EVERY
        return True

    async def _spread(self, titles: Collection[int] | None) -> None:
        self._tell(titles)
        told = [] if titles is None else [b",".join(b"%d" % title for title in titles)]
        try:
            await self._redis.publish(_CHANNEL, b":".join([self._sender, *told]))
        except REDIS_FAULTS:
            return

    @asynccontextmanager
    async def subscribe(self, listener: Listener) -> AsyncIterator[None]:
        """Call ``listener`` after each change in any process, and whenever one may have been missed."""
        self.on_change(listener)
        channel = Channel(self._redis, _CHANNEL, on_message=self._hear, on_subscribe=self._tell)
        listening = start_loop(channel.run, "changes of the catalogue")
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    def _hear(self, word: bytes) -> None:
        sender, updates, titles = word.partition(b":")
        if sender != self._sender:
            self._tell([int(title) for title in titles.split(b",")] if updates else None)

    def _tell(self, titles: Collection[int] | None = None) -> None:
        for listener in self._listeners:
            listener(titles)
