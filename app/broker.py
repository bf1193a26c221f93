"""The Taskiq broker: rings for jobs over one Redis list a class, and outlives every outage of Redis."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from taskiq.message import TaskiqMessage
from taskiq_redis import ListQueueBroker

from app.logs import Outage
from app.schemas.jobs import SHARES, JobClass
from app.utils.redis.client import REDIS_FAULTS, connect_redis

RUN_JOB = "jobs.run"  # the one Taskiq task there is; its arguments are the id of a job and its class

_QUEUES: dict[JobClass, str] = {job_class: f"anisync:jobs:{job_class}" for job_class in SHARES}
_BLOCK = 1  # seconds one pop waits in the server; so late is noticed that there is room for a class again
_FULL = 0.1  # seconds between two looks for room while there is none for any class
_LATE = 2  # seconds its answer may be late before the server counts as gone
_LONGEST_PAUSE = 2.0  # seconds between two attempts to reach a server that is gone


class JobBroker(ListQueueBroker):
    """Sends and receives the ids of jobs; ``has_room`` names the classes whose messages are taken now.

    Taskiq's own list broker does not catch redis-py's errors, so its worker would end with the first
    outage, or with the first idle five seconds.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, queue_name=_QUEUES["order"])
        self.has_room: Callable[[], Sequence[JobClass]] = lambda: list(SHARES)
        self._url = url
        self._client = connect_redis(url)

    async def send(self, job_id: int, job_class: JobClass) -> None:
        """Ring for a job; more urgent classes go first.

        Raises one of ``REDIS_FAULTS`` where Redis does not answer.
        """
        arguments = [job_id, job_class]
        message = TaskiqMessage(task_id=str(job_id), task_name=RUN_JOB, labels={}, args=arguments, kwargs={})
        await self._client.lpush(_QUEUES[job_class], self.formatter.dumps(message).message)

    async def depths(self) -> Mapping[JobClass, int]:
        """How many messages of each class wait."""
        return {job_class: await self._client.llen(queue) for job_class, queue in _QUEUES.items()}

    async def listen(self) -> AsyncGenerator[bytes, None]:
        """Messages as they come, until the task that takes them is cancelled."""
        outage, pause = Outage("redis"), 0.1
        async with _patient(self._url) as client:
            while not _is_cancelled():
                queues = [queue for job_class, queue in _QUEUES.items() if job_class in self.has_room()]
                if not queues:
                    await asyncio.sleep(_FULL)
                    continue
                try:
                    popped = await client.brpop(queues, timeout=_BLOCK)
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
