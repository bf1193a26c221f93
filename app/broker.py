"""The Taskiq broker: carries job ids over a Redis list, and outlives every outage of Redis."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from taskiq.message import TaskiqMessage
from taskiq_redis import ListQueueBroker

from app.logs import Outage
from app.utils.redis import REDIS_FAULTS, connect_redis

RUN_JOB = "jobs.run"  # the one Taskiq task there is; its argument is the id of a job

_QUEUE = "anisync:jobs"
_BLOCK = 2  # seconds one pop waits in the server
_LATE = 2  # seconds its answer may be late before the server counts as gone
_LONGEST_PAUSE = 2.0  # seconds between two attempts to reach a server that is gone
_REST_AFTER_FAULT = 1.0  # seconds in which nothing is sent, so that callers do not wait for a dead server


class JobBroker(ListQueueBroker):
    """Sends and receives the ids of jobs.

    Taskiq's own list broker does not catch redis-py's errors, so its worker would end with the first
    outage, or with the first idle five seconds.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, queue_name=_QUEUE)
        self._url = url
        self._client = connect_redis(url)
        self._rest_until = 0.0

    async def send(self, job_id: int) -> None:
        """Ring for a job; raises one of ``REDIS_FAULTS`` where Redis does not answer."""
        if time.monotonic() < self._rest_until:
            raise RedisConnectionError("Redis did not answer a moment ago")
        message = TaskiqMessage(task_id=str(job_id), task_name=RUN_JOB, labels={}, args=[job_id], kwargs={})
        try:
            await self._client.lpush(self.queue_name, self.formatter.dumps(message).message)
        except REDIS_FAULTS:
            self._rest_until = time.monotonic() + _REST_AFTER_FAULT
            raise

    async def depth(self) -> int:
        """How many messages wait."""
        return await self._client.llen(self.queue_name)

    async def listen(self) -> AsyncGenerator[bytes, None]:
        """Messages as they come, for ever."""
        outage, pause = Outage("redis"), 0.1
        async with _patient(self._url) as client:
            while True:
                try:
                    popped = await client.brpop([self.queue_name], timeout=_BLOCK)
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


def _patient(url: str) -> Redis:
    """A client whose answers may take as long as a pop blocks."""
    return Redis.from_url(
        url, socket_timeout=_BLOCK + _LATE, socket_connect_timeout=_LATE, retry=Retry(NoBackoff(), 0)
    )
