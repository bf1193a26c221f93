"""Housekeeping of the job queue itself."""

from app.container import Container
from app.schemas.jobs import ForgetJobs
from app.services.jobs import JobRun
from app.tasks.registry import handles


@handles(ForgetJobs)
async def forget_jobs(_: ForgetJobs, services: Container, __: JobRun) -> None:
    await services.jobs.forget_old()
