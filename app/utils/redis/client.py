"""A Redis or Valkey client that fails fast while the server is unreachable."""

import time
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

# Every exception redis-py raises when the server is unavailable.
REDIS_FAULTS = (RedisError, OSError)

_TIMEOUT = 0.25  # seconds; with the library's default a hanging server blocks a request for a minute
_REST = 1.0  # seconds without a new attempt after the server could not be reached
_CONNECTIONS = 20  # per process; a burst shares them instead of opening hundreds
_POOL_WAIT = 0.5  # seconds to wait for a free connection


def connect_redis(url: str) -> Redis:
    """Create a client; it connects on the first command. No command is retried.

    While the server is down, one command per second tries to connect and all others fail immediately.
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
        self._down = False
        self._rest_until = 0.0

    async def ensure_connection(self, connection: Any) -> None:
        if connection.is_connected and not self._down:
            await super().ensure_connection(connection)
            return
        now = time.monotonic()
        if now < self._rest_until:
            raise RedisConnectionError("the server could not be reached a moment ago")
        if self._down:  # only this command tries; concurrent ones fail without waiting for it
            self._rest_until = now + _REST
        try:
            await super().ensure_connection(connection)
        except REDIS_FAULTS:
            self._down = True
            self._rest_until = time.monotonic() + _REST
            raise
        self._down = False
        self._rest_until = 0.0
