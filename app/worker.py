"""The worker process: takes jobs from the queue and runs them. Any number may run."""

import asyncio
import gc
import sys
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Protocol

from taskiq import TaskiqEvents, TaskiqState
from taskiq.receiver import Receiver

from app.broker import RUN_JOB, JobBroker
from app.config import Settings, SettingsError, load_settings
from app.container import Container, build
from app.logs import configure_logs, log
from app.tasks import performer
from app.utils import migrations
from app.utils.cleaning import BIGINT_MAX
from app.utils.database import DatabaseUnavailable
from app.utils.signals import stop_on_signals

_AT_ONCE = 10  # jobs of one process; most of their time is waiting for an upstream
_GRACE = 5.0  # seconds that running jobs get to finish when the worker is told to stop
_CANNOT_START = (SettingsError, DatabaseUnavailable, migrations.SchemaNotReady, migrations.LoginRefused)


class Build(Protocol):
    def __call__(self, settings: Settings) -> AbstractAsyncContextManager[Container]: ...


class Worker:
    """What a message leads to: a run of its job that can be ended from outside."""

    def __init__(self, services: Container) -> None:
        self._jobs = services.jobs
        self._perform = performer(services)
        self._running: set[asyncio.Task[None]] = set()

    def serve(self, broker: JobBroker) -> None:
        async def run_job(job_id: int) -> None:  # Taskiq takes no bound methods
            await self._run_job(job_id)

        broker.register_task(run_job, task_name=RUN_JOB)

    async def _run_job(self, job_id: int) -> None:
        if not isinstance(job_id, int) or not 0 < job_id <= BIGINT_MAX:
            log.warning("message.unreadable", message=repr(job_id)[:100])
            return
        task = asyncio.create_task(self._jobs.run(job_id, self._perform))
        self._running.add(task)
        await asyncio.wait({task})  # Taskiq would log a cancelled run as a crash
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("job.crashed", job_id=job_id, exc_info=error)

    async def stop(self) -> None:
        """Give back the jobs that are still running, so that another worker can take them at once."""
        running = set(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=_GRACE)


async def run(settings: Settings, *, build: Build = build) -> None:
    """Work until SIGTERM or SIGINT; then finish what is quick, give back the rest, and return."""
    stop = stop_on_signals()
    broker = JobBroker(settings.redis)
    broker.is_worker_process = True
    async with build(settings) as services:
        worker = Worker(services)
        gc.freeze()  # what is built lives as long as the process; a large job need not walk over it
        worker.serve(broker)
        receiver = Receiver(broker, max_async_tasks=_AT_ONCE, wait_tasks_timeout=_GRACE)
        log.info("worker.started")
        try:
            await receiver.listen(stop)
        finally:
            await worker.stop()
            await broker.shutdown()
    log.info("worker.stopped")


def broker() -> JobBroker:
    """For Taskiq's own command line: ``taskiq worker app.worker:broker``."""
    settings = load_settings()
    configure_logs(settings.log_level)
    made, opened = JobBroker(settings.redis), AsyncExitStack()

    @made.on_event(TaskiqEvents.WORKER_STARTUP)
    async def start(_: TaskiqState) -> None:
        worker = Worker(await opened.enter_async_context(build(settings)))
        opened.push_async_callback(worker.stop)
        worker.serve(made)

    @made.on_event(TaskiqEvents.WORKER_SHUTDOWN)
    async def stop(_: TaskiqState) -> None:
        await opened.aclose()

    return made


async def _start(settings: Settings) -> None:
    await migrations.ensure(settings.database, auto=settings.auto_migrate)
    await run(settings)


def main() -> None:
    try:
        settings = load_settings()
        configure_logs(settings.log_level)
        asyncio.run(_start(settings))
    except _CANNOT_START as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
