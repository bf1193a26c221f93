"""Which function does which job."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from app.container import Container
from app.schemas.jobs import Job, UnreadableJob
from app.services.jobs import JobRun, Perform

J = TypeVar("J", bound=Job)
Handler = Callable[[J, Container, JobRun], Awaitable[None]]

HANDLERS: dict[type[Job], Handler[Any]] = {}


def handles(kind: type[J]) -> Callable[[Handler[J]], Handler[J]]:
    """Make the function the handler of this kind of job. It may run again after it has succeeded."""

    def register(handler: Handler[J]) -> Handler[J]:
        HANDLERS[kind] = handler
        return handler

    return register


def performer(services: Container) -> Perform:
    """What does any job, with these services."""

    async def perform(job: Job, run: JobRun) -> None:
        handler = HANDLERS.get(type(job))
        if handler is None:
            raise UnreadableJob(f"Nothing here does {job.name}.")
        await handler(job, services, run)

    return perform
