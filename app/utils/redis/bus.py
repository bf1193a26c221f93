"""Publish/subscribe: one Redis connection per process for any number of topics. Messages are not stored."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from app.utils.background import start
from app.utils.redis.client import REDIS_FAULTS

_log = logging.getLogger(__name__)

_PREFIX = "bus:"
_POLL = 1.0  # seconds to wait for a message before new topics are subscribed and the server is pinged
_DEAD_AFTER = 3.0  # seconds without a message or pong after which the connection is replaced
_RECONNECT_DELAY = 0.5  # seconds before reconnecting


@dataclass(frozen=True, slots=True, eq=False)
class _Subscriber:
    on_message: Callable[[bytes], None]
    on_gap: Callable[[], None]


class Bus:
    """Publishes messages to the subscribers of a topic in every process.

    Subscribers in the publishing process are called before :meth:`publish` returns, those in others a moment
    later. Messages are lost while Redis is down: subscribers that must not miss any reload from PostgreSQL
    when ``on_gap`` is called. Callbacks are plain functions, must be quick, and must not raise.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._sender = uuid4().hex.encode()
        self._subscribers: dict[str, list[_Subscriber]] = {}
        self._listener: asyncio.Task[None] | None = None

    async def publish(self, topic: str, message: bytes) -> None:
        """Call the subscribers of this process, then send the message to the others unless Redis is down."""
        self.deliver(topic, message)
        try:
            await self._redis.publish(_PREFIX + topic, b"%s:%s" % (self._sender, message))
        except REDIS_FAULTS:
            return

    def attach(self, topic: str, on_message: Callable[[bytes], None]) -> None:
        """Call ``on_message`` with the messages that this process publishes, until the process ends."""
        self._subscribers.setdefault(topic, []).append(_Subscriber(on_message, lambda: None))

    @asynccontextmanager
    async def subscribe(
        self, topic: str, *, on_message: Callable[[bytes], None], on_gap: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Call ``on_message`` with each message of any process for the duration of the block.

        ``on_gap`` is called after each subscription at Redis, so also after a reconnect: earlier messages may
        be lost.
        """
        subscriber = _Subscriber(on_message, on_gap)
        self._subscribers.setdefault(topic, []).append(subscriber)
        if self._listener is None:
            self._listener = start(self._listen(), "message bus")
        try:
            yield
        finally:
            self._subscribers[topic].remove(subscriber)
            if not self._subscribers[topic]:
                del self._subscribers[topic]
            if not self._subscribers:
                await self.close()

    async def close(self) -> None:
        """Stop listening."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    def deliver(self, topic: str, message: bytes) -> None:
        """Call the subscribers of this process only."""
        for subscriber in tuple(self._subscribers.get(topic, ())):
            try:
                subscriber.on_message(message)
            except Exception:  # noqa: BLE001  # one subscriber's bug must not silence the others
                _log.exception("bus.subscriber_failed", extra={"topic": topic})

    async def _listen(self) -> None:
        while not _is_cancelled():
            try:
                async with self._redis.pubsub() as channel:
                    await self._receive(channel)
            except REDIS_FAULTS:
                await asyncio.sleep(_RECONNECT_DELAY)

    async def _receive(self, channel: PubSub) -> None:
        """Receive messages; returns once the server no longer responds."""
        subscribed = set[str]()
        last = time.monotonic()
        while time.monotonic() - last < _DEAD_AFTER and not _is_cancelled():
            if new := set(self._subscribers) - subscribed:
                await channel.subscribe(*(_PREFIX + topic for topic in new))
                subscribed |= new
            message: dict[str, Any] | None = await channel.get_message(timeout=_POLL)
            if message is None:
                await channel.ping()
                continue
            last = time.monotonic()
            self._handle(message)

    def _handle(self, message: dict[str, Any]) -> None:
        if message["type"] not in {"subscribe", "message"}:
            return
        topic = message["channel"].decode().removeprefix(_PREFIX)
        if message["type"] == "subscribe":
            for subscriber in tuple(self._subscribers.get(topic, ())):
                subscriber.on_gap()
            return
        sender, _, content = message["data"].partition(b":")
        if sender != self._sender:
            self.deliver(topic, content)


def _is_cancelled() -> bool:
    """Whether this task was cancelled; on Python 3.11 redis-py may swallow the ``CancelledError``."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
