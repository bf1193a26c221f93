"""Notify workers of jobs, over a Redis list per job class."""

from collections.abc import Mapping

import orjson

from app.schemas.jobs import SHARES, JobClass
from app.utils.redis.client import connect_redis

RUN_JOB = "jobs.run"  # the only Taskiq task; its arguments are the id of a job and its class
QUEUES: dict[JobClass, str] = {job_class: f"anisync:jobs:{job_class}" for job_class in SHARES}


class JobSender:
    """Sends job ids in Taskiq's JSON, without Taskiq, whose import takes half a second and 15 MB."""

    def __init__(self, url: str) -> None:
        self._client = connect_redis(url)

    async def send(self, job_id: int, job_class: JobClass) -> None:
        """Notify a worker of a job; more urgent classes are received first.

        Raises one of ``REDIS_FAULTS`` if Redis is unavailable.
        """
        message = {"task_id": str(job_id), "task_name": RUN_JOB, "labels": {}, "kwargs": {}}
        await self._client.lpush(QUEUES[job_class], orjson.dumps(message | {"args": [job_id, job_class]}))

    async def depths(self) -> Mapping[JobClass, int]:
        """The number of waiting messages per class."""
        return {job_class: await self._client.llen(queue) for job_class, queue in QUEUES.items()}

    async def close(self) -> None:
        await self._client.aclose()
