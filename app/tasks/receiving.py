"""The Taskiq broker of a worker: receives notices of jobs, and survives outages of Redis."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from taskiq_redis import ListQueueBroker

from app.broker import QUEUES, JobSender
from app.logs import Outage
from app.schemas.jobs import SHARES, JobClass
from app.utils.redis.client import REDIS_FAULTS

_POP_TIMEOUT = 1  # seconds; also the delay until a class that has room again is polled
_FULL_PAUSE = 0.1  # seconds between two checks while no class has room
_MARGIN = 2  # seconds beyond the pop timeout after which the server counts as down
_LONGEST_PAUSE = 2.0  # seconds between two attempts to reach a server that is down


class JobBroker(ListQueueBroker):
    """Receives job ids; ``has_room`` returns the classes whose messages are accepted now.

    Taskiq's own list broker does not catch redis-py's errors: its worker would die in the first outage, and
    in the first idle five seconds.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, queue_name=QUEUES["order"])
        self.has_room: Callable[[], Sequence[JobClass]] = lambda: list(SHARES)
        self.sender = JobSender(url)
        self._url = url

    async def listen(self) -> AsyncGenerator[bytes, None]:
        """Yield messages as they arrive, until the receiving task is cancelled."""
        outage, pause = Outage("redis"), 0.1
        async with _blocking_client(self._url) as client:
            while not _is_cancelled():
                queues = [queue for job_class, queue in QUEUES.items() if job_class in self.has_room()]
                if not queues:
                    await asyncio.sleep(_FULL_PAUSE)
                    continue
                try:
                    popped = await client.brpop(queues, timeout=_POP_TIMEOUT)
                except REDIS_FAULTS as error:
                    outage.begins(error)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
                    continue
                outage.ends()
                pause = 0.1
                if popped is not None:
                    yield cast(bytes, popped[1])  # bytes, since decode_responses is off

    async def shutdown(self) -> None:
        await super().shutdown()
        await self.sender.close()


def _is_cancelled() -> bool:
    """Redis-py may swallow the CancelledError on Python 3.11, so the task itself is asked."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _blocking_client(url: str) -> Redis:
    """A client whose timeout leaves room for a blocking pop."""
    return Redis.from_url(
        url,
        socket_timeout=_POP_TIMEOUT + _MARGIN,
        socket_connect_timeout=_MARGIN,
        retry=Retry(NoBackoff(), 0),
    )
