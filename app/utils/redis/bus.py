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
_WAIT = 1.0  # seconds to wait for a message before new topics are subscribed and the server is pinged
_SILENT_FOR = 3.0  # seconds without a message or pong after which the connection is replaced
_PAUSE = 0.5  # seconds before reconnecting


@dataclass(frozen=True, slots=True, eq=False)
class _Subscriber:
    heard: Callable[[bytes], None]
    missed: Callable[[], None]


class Bus:
    """Publishes messages to the subscribers of a topic in every process.

    Subscribers in the publishing process are called before :meth:`publish` returns, those in others a moment
    later. Messages are lost while Redis is down: subscribers that must not miss any reload from PostgreSQL
    when ``missed`` is called. Callbacks are plain functions, must be quick, and must not raise.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._sender = uuid4().hex.encode()
        self._subscribers: dict[str, list[_Subscriber]] = {}
        self._listening: asyncio.Task[None] | None = None

    async def publish(self, topic: str, message: bytes) -> None:
        """Call the subscribers of this process, then send the message to the others unless Redis is down."""
        self.deliver(topic, message)
        try:
            await self._redis.publish(_PREFIX + topic, b"%s:%s" % (self._sender, message))
        except REDIS_FAULTS:
            return

    def attach(self, topic: str, heard: Callable[[bytes], None]) -> None:
        """Call ``heard`` with the messages that this process publishes, until the process ends."""
        self._subscribers.setdefault(topic, []).append(_Subscriber(heard, lambda: None))

    @asynccontextmanager
    async def subscribe(
        self, topic: str, *, heard: Callable[[bytes], None], missed: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Call ``heard`` with each message of any process for the duration of the block.

        ``missed`` is called after each subscription at Redis, so also after a reconnect: earlier messages may
        be lost.
        """
        subscriber = _Subscriber(heard, missed)
        self._subscribers.setdefault(topic, []).append(subscriber)
        if self._listening is None:
            self._listening = start(self._listen(), "message bus")
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
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    def deliver(self, topic: str, message: bytes) -> None:
        """Call the subscribers of this process only."""
        for subscriber in tuple(self._subscribers.get(topic, ())):
            try:
                subscriber.heard(message)
            except Exception:  # noqa: BLE001  # one subscriber's bug must not silence the others
                _log.exception("bus.subscriber_failed", extra={"topic": topic})

    async def _listen(self) -> None:
        while not _is_cancelled():
            try:
                async with self._redis.pubsub() as channel:
                    await self._receive(channel)
            except REDIS_FAULTS:
                await asyncio.sleep(_PAUSE)

    async def _receive(self, channel: PubSub) -> None:
        """Receive messages; returns once the server no longer responds."""
        joined = set[str]()
        last = time.monotonic()
        while time.monotonic() - last < _SILENT_FOR and not _is_cancelled():
            if new := set(self._subscribers) - joined:
                await channel.subscribe(*(_PREFIX + topic for topic in new))
                joined |= new
            message: dict[str, Any] | None = await channel.get_message(timeout=_WAIT)
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
                subscriber.missed()
            return
        sender, _, content = message["data"].partition(b":")
        if sender != self._sender:
            self.deliver(topic, content)


def _is_cancelled() -> bool:
    """Whether this task was cancelled; on Python 3.11 redis-py may swallow the ``CancelledError``."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
