"""A worker or scheduler with the tests' own jobs and short leases; the argument selects which."""

import asyncio
import sys
from functools import partial

from app import container, scheduler, worker
from app.config import load_settings
from app.logs import configure_logs
from app.services.jobs import JobTimings
from app.utils.redis.rate_limit import Rate
from tests.fixtures import jobs as _their_kinds_are_registered

BRISK = JobTimings(lease=4.0, heartbeat=1.0, resend_after=2.0, backoff=0.3, longest_backoff=1.0)
GENEROUS = Rate.of(per_second=300, per_minute=18_000)

build = partial(container.build, job_timings=BRISK, jikan_rate=GENEROUS)

if __name__ == "__main__":
    assert _their_kinds_are_registered
    settings = load_settings()
    configure_logs(settings.log_level)
    programs = {
        "worker": lambda: worker.run(settings, build=build),
        "scheduler": lambda: scheduler.run(settings, build=build, every=0.5),
    }
    asyncio.run(programs[sys.argv[1]]())
