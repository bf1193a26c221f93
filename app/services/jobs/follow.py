"""Seeing one job through to its end, for a caller who waits for it."""

import asyncio
from collections.abc import Callable
from itertools import count

from app.schemas.jobs import JobState
from app.services.jobs.queue import JobService
from app.services.jobs.run import Perform
from app.utils.background import start

_LOOK_EVERY = 0.3  # seconds
_LOOKS_A_SWEEP = 10


async def follow(
    jobs: JobService, job_id: int, perform: Perform, report: Callable[[int, int | None], None]
) -> JobState:
    """Run the job here unless a worker has it, and return its state once it is over.

    It needs neither worker nor scheduler. Cancelled, it gives the job back, for a worker to take up.
    """
    attempt: asyncio.Task[None] | None = None
    looks = count()
    try:
        while (state := await jobs.get(job_id)).status in {"queued", "running"}:
            report(state.done, state.total)
            if state.status == "queued" and (attempt is None or attempt.done()):
                attempt = start(jobs.run(job_id, perform), "job")
            if next(looks) % _LOOKS_A_SWEEP == 0:
                await jobs.sweep()  # whoever ran it may have died
            await asyncio.sleep(_LOOK_EVERY)
        report(state.done, state.total)
        return state
    finally:
        if attempt is not None:
            attempt.cancel()
            await asyncio.wait([attempt])
