"""Concurrency limits of downloads, per user and per process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.errors import RateLimited
from app.utils.slots import NoSlot, Slots
from app.utils.spool import Spool

_PER_USER = 2  # until they are sent completely
_WAITING = 2
_PATIENCE = 30.0  # seconds to wait for a slot
_MAX_WRITING = 4  # in this process; each holds a PostgreSQL connection while it is written


class Downloads:
    """Two downloads per user at once; two more wait, further ones are rejected."""

    def __init__(self) -> None:
        self._slots = Slots(running=_PER_USER, waiting=_WAITING, timeout=_PATIENCE)
        self._places = asyncio.Semaphore(_MAX_WRITING)

    @asynccontextmanager
    async def open_spool(self, user_id: int) -> AsyncIterator[Spool]:
        """A file to write in the block; it occupies a slot of the user until it is closed.

        Raises ``RateLimited``.
        """
        try:
            release = await self._slots.take(user_id)
        except NoSlot:
            raise RateLimited(
                "Too many of your downloads are running; wait until one has ended.", retry_after=5
            ) from None
        with Spool(release) as spool:
            async with self._places:
                yield spool
