"""Housekeeping of the job queue and the event table."""

from app.container import Container
from app.schemas.jobs import ForgetEvents, ForgetJobs
from app.services.jobs import JobRun
from app.tasks.registry import handles


@handles(ForgetJobs)
async def forget_jobs(_: ForgetJobs, services: Container, __: JobRun) -> None:
    await services.jobs.forget_old()


@handles(ForgetEvents)
async def forget_events(_: ForgetEvents, services: Container, __: JobRun) -> None:
    await services.events.forget_old()
