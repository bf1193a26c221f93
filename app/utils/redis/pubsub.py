"""Words that all processes hear, over Redis; nothing is kept for those who are away."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from app.utils.redis.client import REDIS_FAULTS

_LISTEN = 1.0  # seconds of one wait for a word; then the server is asked whether it is there
_DEAF_AFTER = 3.0  # seconds without any word or answer
_REST = 0.5  # seconds before the channel is joined anew


class Listener:
    """Hears one channel until :meth:`run` is cancelled; joins it again whenever Redis comes back.

    ``heard`` gets each word. ``joined`` is called each time the channel was joined: words may have been
    missed before.
    """

    def __init__(
        self, redis: Redis, channel: str, *, heard: Callable[[bytes], None], joined: Callable[[], None]
    ) -> None:
        self._redis = redis
        self._channel = channel
        self._heard = heard
        self._joined = joined

    async def run(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(self._channel)
                    await self._hear(channel)
            except REDIS_FAULTS:
                await asyncio.sleep(_REST)

    async def _hear(self, channel: PubSub) -> None:
        """Return when the server has fallen silent."""
        last = time.monotonic()
        while time.monotonic() - last < _DEAF_AFTER:
            word: dict[str, Any] | None = await channel.get_message(timeout=_LISTEN)
            if word is None:
                await channel.ping()
                continue
            last = time.monotonic()
            if word["type"] == "subscribe":
                self._joined()
            elif word["type"] == "message":
                self._heard(word["data"])
