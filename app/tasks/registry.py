"""The registry of job handlers."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from app.container import Container
from app.schemas.jobs import Job, UnreadableJob
from app.services.jobs import JobRun, Perform

J = TypeVar("J", bound=Job)
Handler = Callable[[J, Container, JobRun], Awaitable[None]]

HANDLERS: dict[type[Job], Handler[Any]] = {}


def handles(kind: type[J]) -> Callable[[Handler[J]], Handler[J]]:
    """Register the handler of a kind of job. It must be idempotent: it may run again after a success."""

    def register(handler: Handler[J]) -> Handler[J]:
        HANDLERS[kind] = handler
        return handler

    return register


def performer(services: Container) -> Perform:
    """Return a function that runs the handler of any job with these services."""

    async def perform(job: Job, run: JobRun) -> None:
        handler = HANDLERS.get(type(job))
        if handler is None:
            raise UnreadableJob(f"No handler is registered for {job.name}.")
        await handler(job, services, run)

    return perform
