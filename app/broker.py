"""The Taskiq broker: carries job ids over two Redis lists, and outlives every outage of Redis."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from taskiq.message import TaskiqMessage
from taskiq_redis import ListQueueBroker

from app.logs import Outage
from app.utils.redis import REDIS_FAULTS, connect_redis

RUN_JOB = "jobs.run"  # the one Taskiq task there is; its argument is the id of a job

_QUEUE = "anisync:jobs"
_BULK_QUEUE = "anisync:jobs:bulk"
_BLOCK = 2  # seconds one pop waits in the server
_LATE = 2  # seconds its answer may be late before the server counts as gone
_LONGEST_PAUSE = 2.0  # seconds between two attempts to reach a server that is gone


class JobBroker(ListQueueBroker):
    """Sends and receives the ids of jobs.

    Taskiq's own list broker does not catch redis-py's errors, so its worker would end with the first
    outage, or with the first idle five seconds.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, queue_name=_QUEUE)
        self._url = url
        self._client = connect_redis(url)

    async def send(self, job_id: int, *, bulk: bool = False) -> None:
        """Ring for a job; those in ``bulk`` let all others go first.

        Raises one of ``REDIS_FAULTS`` where Redis does not answer.
        """
        message = TaskiqMessage(task_id=str(job_id), task_name=RUN_JOB, labels={}, args=[job_id], kwargs={})
        queue = _BULK_QUEUE if bulk else self.queue_name
        await self._client.lpush(queue, self.formatter.dumps(message).message)

    async def depth(self) -> int:
        """How many messages wait."""
        return await self._client.llen(self.queue_name) + await self._client.llen(_BULK_QUEUE)

    async def listen(self) -> AsyncGenerator[bytes, None]:
        """Messages as they come, until the task that takes them is cancelled."""
        outage, pause = Outage("redis"), 0.1
        async with _patient(self._url) as client:
            while not _is_cancelled():
                try:
                    popped = await client.brpop([self.queue_name, _BULK_QUEUE], timeout=_BLOCK)
                except REDIS_FAULTS as error:
                    outage.begins(error)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
                    continue
                outage.ends()
                pause = 0.1
                if popped is not None:
                    yield cast(bytes, popped[1])  # nothing here asks redis-py to decode

    async def shutdown(self) -> None:
        await super().shutdown()
        await self._client.aclose()


def _is_cancelled() -> bool:
    """Whether this task was told to end: redis-py, on Python 3.11, may swallow the exception that says so."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _patient(url: str) -> Redis:
    """A client whose answers may take as long as a pop blocks."""
    return Redis.from_url(
        url, socket_timeout=_BLOCK + _LATE, socket_connect_timeout=_LATE, retry=Retry(NoBackoff(), 0)
    )
