"""The scheduler process: fires periodic jobs and sweeps the queue. Several may run at once."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Protocol

from app.config import Settings, SettingsError, load_settings
from app.container import Container, build
from app.logs import Outage, configure_logs, log
from app.schemas.domain.jobs import Sweep
from app.schemas.jobs import (
    FitRecommendations,
    ForgetChanges,
    ForgetEvents,
    ForgetJobs,
    ForgetKeys,
    Job,
    MatchEntries,
    RefreshStale,
    SyncDue,
    TendAccounts,
    TidyAccounts,
)
from app.schemas.release_jobs import LinkReleases, PollReleases
from app.services.jobs import JobService
from app.utils.db import migrations
from app.utils.db.database import DatabaseUnavailable
from app.utils.processes.heap import tune_garbage_collector
from app.utils.processes.signals import stop_on_signals

_TICK = 2.0  # seconds; the delay until a due retry or a lost message is noticed
_PAUSE_AFTER_BUG = 10.0  # seconds, so that a failing tick does not flood the log
_CANNOT_START = (SettingsError, DatabaseUnavailable, migrations.SchemaNotReady, migrations.LoginRefused)


@dataclass(frozen=True)
class Periodic:
    job: Job
    every: float  # seconds


PERIODIC = (
    Periodic(RefreshStale(), every=600),
    Periodic(ForgetJobs(), every=3600),
    Periodic(TidyAccounts(), every=900),
    Periodic(MatchEntries(), every=60),
    Periodic(ForgetKeys(), every=3600),
    Periodic(SyncDue(), every=30),
    Periodic(TendAccounts(), every=21_600),
    Periodic(ForgetChanges(), every=86_400),
    Periodic(FitRecommendations(), every=86_400),
    Periodic(ForgetEvents(), every=3600),
    Periodic(LinkReleases(), every=300),
)


def periodic_jobs(settings: Settings) -> tuple[Periodic, ...]:
    """All periodic jobs, those whose interval is a setting included."""
    return *PERIODIC, Periodic(PollReleases(), every=settings.anilibria_poll_seconds)


class Build(Protocol):
    def __call__(self, settings: Settings) -> AbstractAsyncContextManager[Container]: ...


async def run(settings: Settings, *, build: Build = build, every: float = _TICK) -> None:
    """Tick every ``every`` seconds until SIGTERM or SIGINT."""
    stop = stop_on_signals()
    async with build(settings) as services:
        tune_garbage_collector()
        log.info("scheduler.started")
        periodic = periodic_jobs(settings)
        pause = min(every, *(one.every for one in periodic))
        await tick_until(stop, services.jobs, every=pause, periodic=periodic)
    log.info("scheduler.stopped")


async def tick_until(
    stop: asyncio.Event, jobs: JobService, *, every: float, periodic: Sequence[Periodic] = PERIODIC
) -> None:
    outage = Outage("database")
    while not stop.is_set():
        pause = every
        try:
            await tick(jobs, periodic)
            outage.ends()
        except DatabaseUnavailable as error:
            outage.begins(error)
        except Exception as error:  # noqa: BLE001  # a failing tick must not stop the scheduler
            log.error("scheduler.tick_failed", exc_info=error)
            pause = _PAUSE_AFTER_BUG
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)


async def tick(jobs: JobService, periodic: Sequence[Periodic] = PERIODIC) -> None:
    """Fire the periodic jobs that are due, then sweep the queue."""
    due = await jobs.due({one.job.name: one.every for one in periodic})
    for one in periodic:
        if one.job.name in due and await jobs.fire(one.job.name, one.job, every=one.every):
            log.info("schedule.fired", kind=one.job.name)
    swept = await jobs.sweep()
    if swept != Sweep():
        log.info("jobs.swept", sent=swept.sent, requeued=swept.requeued, failed=swept.failed)


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
