"""Word that the catalogue has changed, to whatever keeps answers made from it, in every process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from redis.asyncio import Redis

from app.utils.background import start_loop
from app.utils.pubsub import Listener
from app.utils.redis import REDIS_FAULTS

_CHANNEL = "catalogue:changed"


class CatalogueChanges:
    """Whoever writes the catalogue hands :meth:`announce` to ``tx.after_commit``.

    In this process it is heard before the call returns, in others a moment later. While Redis is away the
    others hear nothing: what they keep must not live for long.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._sender = uuid4().hex.encode()
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each change that this process makes."""
        self._listeners.append(listener)

    async def announce(self) -> None:
        self._tell()
        try:
            await self._redis.publish(_CHANNEL, self._sender)
        except REDIS_FAULTS:
            return

    @asynccontextmanager
    async def heard_by(self, listener: Callable[[], None]) -> AsyncIterator[None]:
        """Call ``listener`` after each change in any process, and whenever one may have been missed."""
        self.on_change(listener)
        channel = Listener(self._redis, _CHANNEL, heard=self._hear, joined=self._tell)
        listening = start_loop(channel.run, "changes of the catalogue")
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    def _hear(self, sender: bytes) -> None:
        if sender != self._sender:
            self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
