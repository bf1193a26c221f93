"""Publish/subscribe between processes over Redis; messages are not kept for absent subscribers."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from app.utils.redis.client import REDIS_FAULTS

_POLL = 1.0  # seconds to wait for a message before pinging the server
_DEAD_AFTER = 3.0  # seconds without a message or a pong after which the connection is given up
_REST = 0.5  # seconds before the next attempt to subscribe


class Listener:
    """Subscribes to one channel until :meth:`run` is cancelled; subscribes again when Redis comes back.

    ``on_message`` gets the payload of each message. ``on_subscribe`` is called after every subscription:
    messages may have been missed before it.
    """

    def __init__(
        self,
        redis: Redis,
        channel: str,
        *,
        on_message: Callable[[bytes], None],
        on_subscribe: Callable[[], None],
    ) -> None:
        self._redis = redis
        self._channel = channel
        self._on_message = on_message
        self._on_subscribe = on_subscribe

    async def run(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(self._channel)
                    await self._receive(channel)
            except REDIS_FAULTS:
                await asyncio.sleep(_REST)

    async def _receive(self, channel: PubSub) -> None:
        """Deliver messages; return when the connection is dead."""
        last = time.monotonic()
        while time.monotonic() - last < _DEAD_AFTER:
            message: dict[str, Any] | None = await channel.get_message(timeout=_POLL)
            if message is None:
                await channel.ping()
                continue
            last = time.monotonic()
            if message["type"] == "subscribe":
                self._on_subscribe()
            elif message["type"] == "message":
                self._on_message(message["data"])
