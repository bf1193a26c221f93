"""Access tokens that ended before their time, in Redis. A miss proves nothing: the session row decides."""

from redis.asyncio import Redis

from app.logs import Outage
from app.utils.redis.client import REDIS_FAULTS

_PREFIX = "blacklist:"


class Blacklist:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._outage = Outage("redis blacklist")

    async def add(self, token_id: str, seconds: int) -> None:
        """Keep the token out until it ends by itself, in ``seconds``."""
        if seconds <= 0:
            return
        try:
            await self._redis.set(_PREFIX + token_id, "1", ex=seconds)
        except REDIS_FAULTS as error:
            self._outage.begins(error)

    async def has(self, token_id: str) -> bool:
        """False also where Redis cannot be read."""
        try:
            found = await self._redis.exists(_PREFIX + token_id)
        except REDIS_FAULTS as error:
            self._outage.begins(error)
            return False
        self._outage.ends()
        return bool(found)
