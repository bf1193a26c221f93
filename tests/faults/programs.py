"""A worker or a scheduler with the tests' own jobs and leases of seconds; the argument says which."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from app import container, scheduler, worker
from app.broker import JobBroker
from app.config import Settings, load_settings
from app.container import Container
from app.logs import configure_logs
from app.services.jobs import JobService, JobTimings
from tests.fixtures import jobs as _their_kinds_are_registered

BRISK = JobTimings(lease=4.0, heartbeat=1.0, quiet=2.0, backoff=0.3, longest_backoff=1.0)


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Container]:
    async with container.build(settings) as services:
        broker = JobBroker(settings.redis)
        yield replace(services, jobs=JobService(services.db, broker, timings=BRISK))
        await broker.shutdown()


if __name__ == "__main__":
    assert _their_kinds_are_registered
    settings = load_settings()
    configure_logs(settings.log_level)
    programs = {
        "worker": lambda: worker.run(settings, build=build),
        "scheduler": lambda: scheduler.run(settings, build=build, every=0.5),
    }
    asyncio.run(programs[sys.argv[1]]())
