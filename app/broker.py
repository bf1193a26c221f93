"""The Taskiq broker: notifies workers of jobs over a Redis list per job class; survives outages of Redis."""

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

RUN_JOB = "jobs.run"  # the only Taskiq task; its arguments are the id of a job and its class

_QUEUES: dict[JobClass, str] = {job_class: f"anisync:jobs:{job_class}" for job_class in SHARES}
_POP_TIMEOUT = 1  # seconds; also the delay until a class that has room again is polled
_FULL_PAUSE = 0.1  # seconds between two checks while no class has room
_MARGIN = 2  # seconds beyond the pop timeout after which the server counts as down
_LONGEST_PAUSE = 2.0  # seconds between two attempts to reach a server that is down


class JobBroker(ListQueueBroker):
    """Sends and receives job ids; ``has_room`` returns the classes whose messages are accepted now.

    Taskiq's own list broker does not catch redis-py's errors: its worker would die in the first outage, and
    in the first idle five seconds.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, queue_name=_QUEUES["order"])
        self.has_room: Callable[[], Sequence[JobClass]] = lambda: list(SHARES)
        self._url = url
        self._client = connect_redis(url)

    async def send(self, job_id: int, job_class: JobClass) -> None:
        """Notify a worker of a job; more urgent classes are received first.

        Raises one of ``REDIS_FAULTS`` if Redis is unavailable.
        """
        arguments = [job_id, job_class]
        message = TaskiqMessage(task_id=str(job_id), task_name=RUN_JOB, labels={}, args=arguments, kwargs={})
        await self._client.lpush(_QUEUES[job_class], self.formatter.dumps(message).message)

    async def depths(self) -> Mapping[JobClass, int]:
        """The number of waiting messages per class."""
        return {job_class: await self._client.llen(queue) for job_class, queue in _QUEUES.items()}

    async def listen(self) -> AsyncGenerator[bytes, None]:
        """Yield messages as they arrive, until the receiving task is cancelled."""
        outage, pause = Outage("redis"), 0.1
        async with _blocking_client(self._url) as client:
            while not _is_cancelled():
                queues = [queue for job_class, queue in _QUEUES.items() if job_class in self.has_room()]
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
        await self._client.aclose()


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
