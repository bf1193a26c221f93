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
from app.external.jikan.client import JikanClient
from app.logs import configure_logs
from app.services.absent_titles import AbsentTitles
from app.services.arrivals import Arrivals
from app.services.jobs import JobService, JobTimings
from app.services.refreshes import Refreshes
from app.services.sync import SyncService
from app.utils.absences import Absences
from app.utils.rate_limit import Rate, SharedLimiter
from tests.fixtures import jobs as _their_kinds_are_registered

BRISK = JobTimings(lease=4.0, heartbeat=1.0, quiet=2.0, backoff=0.3, longest_backoff=1.0)


GENEROUS = Rate.of(per_second=300, per_minute=18_000)


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Container]:
    """As in production, but with brisk jobs and a Jikan that may be asked a hundred times as often."""
    async with container.build(settings) as services:
        db, redis, broker = services.db, services.redis, JobBroker(settings.redis)
        jobs = JobService(db, broker, timings=BRISK)
        jikan = JikanClient(settings.jikan_base_url, limiter=SharedLimiter("generous", GENEROUS, redis))
        sync = SyncService(
            db,
            jikan,
            jobs,
            arrivals=Arrivals(db),
            refreshes=Refreshes(db, jobs),
            absent=AbsentTitles(Absences(redis, "mal")),
        )
        yield replace(services, jobs=jobs, sync=sync)
        await jikan.close()
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
