"""Redis or Valkey: a client that fails fast instead of hanging."""

import time
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

# What a caller catches when the server is gone; its library raises both kinds.
REDIS_FAULTS = (RedisError, OSError)

_TIMEOUT = 0.25  # seconds; the library's own default turns a silent server into a minute
_REST = 1.0  # seconds in which a server that could not be reached is left alone
_CONNECTIONS = 20  # of one process; a burst shares them instead of opening hundreds at once
_POOL_WAIT = 0.5  # seconds until one of them is free


def connect_redis(url: str) -> Redis:
    """Make a client; nothing is opened before the first command. No command is retried.

    While the server is away, one command a second finds that out, and all others fail at once.
    """
    pool = _RestingPool.from_url(
        url,
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=15,
        max_connections=_CONNECTIONS,
        timeout=_POOL_WAIT,
    )
    return Redis.from_pool(pool)


class _RestingPool(BlockingConnectionPool):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._away = False
        self._rest_until = 0.0

    async def ensure_connection(self, connection: Any) -> None:
        if connection.is_connected and not self._away:
            await super().ensure_connection(connection)
            return
        now = time.monotonic()
        if now < self._rest_until:
            raise RedisConnectionError("the server could not be reached a moment ago")
        if self._away:  # this one tries; the others need not wait for what it finds
            self._rest_until = now + _REST
        try:
            await super().ensure_connection(connection)
        except REDIS_FAULTS:
            self._away = True
            self._rest_until = time.monotonic() + _REST
            raise
        self._away = False
        self._rest_until = 0.0
