"""The worker process: takes jobs from the queue and runs them. Several may run at once."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Protocol

from taskiq import TaskiqEvents, TaskiqState
from taskiq.receiver import Receiver

from app.broker import RUN_JOB
from app.config import Settings, SettingsError, load_settings
from app.container import Container, build
from app.logs import configure_logs, log
from app.schemas.jobs import SHARES, JobClass
from app.tasks import performer
from app.tasks.receiving import JobBroker
from app.utils.db import migrations
from app.utils.db.database import DatabaseUnavailable
from app.utils.processes.heap import tune_garbage_collector
from app.utils.processes.signals import stop_on_signals
from app.utils.redis.client import REDIS_FAULTS
from app.utils.text.cleaning import BIGINT_MAX

_PREFETCH = sum(share.slots for share in SHARES.values()) + 5  # messages; a few may find their class full
_GRACE = 5.0  # seconds for running jobs to finish when the worker stops
_CANNOT_START = (SettingsError, DatabaseUnavailable, migrations.SchemaNotReady, migrations.LoginRefused)


class Build(Protocol):
    def __call__(self, settings: Settings) -> AbstractAsyncContextManager[Container]: ...


class Worker:
    """Runs as many jobs of each class as its share allows, in tasks that can be cancelled.

    A message is only a notification: its receiver runs jobs of the class until none is left that may run.
    """

    def __init__(self, services: Container) -> None:
        self._jobs = services.jobs
        self._perform = performer(services)
        self._running: dict[asyncio.Task[None], JobClass] = {}
        self._stopping = False

    def serve(self, broker: JobBroker) -> None:
        """Register the Taskiq task that runs jobs."""

        async def run_job(job_id: int, job_class: str = "order") -> None:  # Taskiq rejects bound methods
            await self._receive(broker, job_id, job_class)

        broker.has_room = self._classes_with_room
        broker.register_task(run_job, task_name=RUN_JOB)

    def stop_claiming(self) -> None:
        """Start no further job."""
        self._stopping = True

    def _classes_with_room(self) -> list[JobClass]:
        busy = Counter(self._running.values())
        return [job_class for job_class, share in SHARES.items() if busy[job_class] < share.slots]

    async def _receive(self, broker: JobBroker, job_id: int, job_class: str) -> None:
        if not isinstance(job_id, int) or not 0 < job_id <= BIGINT_MAX or job_class not in SHARES:
            log.warning("message.malformed", message=repr((job_id, job_class))[:100])
        elif job_class in self._classes_with_room():
            await self._run_in_task(job_class)
        else:  # prefetched before the class became full: pass it on to another worker
            with suppress(*REDIS_FAULTS):  # the sweep sends it again
                await broker.sender.send(job_id, job_class)

    async def _run_in_task(self, job_class: JobClass) -> None:
        task = asyncio.create_task(self._run_all(job_class))
        self._running[task] = job_class
        await asyncio.wait({task})  # not awaited directly: Taskiq would log a cancelled run as a crash
        del self._running[task]
        if not task.cancelled() and (error := task.exception()):
            log.error("job.crashed", job_class=job_class, exc_info=error)

    async def _run_all(self, job_class: JobClass) -> None:
        while not self._stopping and await self._jobs.run_next(job_class, self._perform):
            pass

    async def stop(self) -> None:
        """Release the jobs that are still running, so that another worker can take them immediately."""
        self.stop_claiming()
        running = set(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=_GRACE)


async def run(settings: Settings, *, build: Build = build) -> None:
    """Run jobs until SIGTERM or SIGINT; then wait for those that finish soon and release the others."""
    stop = stop_on_signals()
    broker = JobBroker(settings.redis)
    broker.is_worker_process = True
    async with build(settings) as services:
        worker = Worker(services)
        tune_garbage_collector()
        worker.serve(broker)
        receiver = Receiver(broker, max_async_tasks=_PREFETCH, wait_tasks_timeout=_GRACE)
        watch = asyncio.create_task(_when(stop, worker.stop_claiming))
        log.info("worker.started")
        try:
            await receiver.listen(stop)
        finally:
            watch.cancel()
            await worker.stop()
            await broker.shutdown()
    log.info("worker.stopped")


async def _when(event: asyncio.Event, act: Callable[[], None]) -> None:
    await event.wait()
    act()


def broker() -> JobBroker:
    """For Taskiq's own command line: ``taskiq worker app.worker:broker``."""
    settings = load_settings()
    configure_logs(settings.log_level)
    made, opened = JobBroker(settings.redis), AsyncExitStack()

    @made.on_event(TaskiqEvents.WORKER_STARTUP)
    async def start(_: TaskiqState) -> None:
        worker = Worker(await opened.enter_async_context(build(settings)))
        tune_garbage_collector()
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
