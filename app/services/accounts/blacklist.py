"""Revoked access tokens, in Redis: asked only where no session row can be read."""

from redis.asyncio import Redis

from app.logs import Outage
from app.utils.redis.client import REDIS_FAULTS

_PREFIX = "blacklist:"


class Blacklist:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._outage = Outage("redis blacklist")

    async def add(self, token_id: str, seconds: int) -> None:
        """Reject the token until it expires in ``seconds``."""
        if seconds <= 0:
            return
        try:
            await self._redis.set(_PREFIX + token_id, "1", ex=seconds)
        except REDIS_FAULTS as error:
            self._outage.begins(error)
            return
        self._outage.ends()

    async def has(self, token_id: str) -> bool:
        """Whether the token is revoked; False if Redis is unavailable."""
        try:
            found = await self._redis.exists(_PREFIX + token_id)
        except REDIS_FAULTS as error:
            self._outage.begins(error)
            return False
        self._outage.ends()
        return bool(found)
