"""Redis or Valkey: a client that fails fast instead of hanging."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

# What a caller catches when the server is gone; its library raises both kinds.
REDIS_FAULTS = (RedisError, OSError)

_TIMEOUT = 0.25  # seconds; the library's own default turns a silent server into a minute


def connect_redis(url: str) -> Redis:
    """Make a client; nothing is opened before the first command. No command is retried."""
    return Redis.from_url(
        url,
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=15,
    )
