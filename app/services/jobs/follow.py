"""Run a job and wait for its end, for commands without a worker."""

import asyncio
from collections.abc import Callable
from itertools import count

from app.schemas.domain.jobs import JobState
from app.services.jobs.queue import JobService
from app.services.jobs.run import Perform
from app.utils.background import start

_POLL_INTERVAL = 0.3  # seconds
_POLLS_PER_SWEEP = 10


async def follow(
    jobs: JobService,
    job_id: int,
    perform: Perform,
    report: Callable[[int, int | None], None],
    *,
    on_wait: Callable[[str], None] = lambda _: None,
) -> JobState:
    """Run the job in this process unless a worker has it, and return its final state.

    Needs neither worker nor scheduler; if cancelled, it releases the job to the workers. ``on_wait`` is
    called with the reason why the job waits for another attempt, each time it changes.
    """
    attempt: asyncio.Task[None] | None = None
    last_reason: str | None = None
    polls = count()
    try:
        while (state := await jobs.get(job_id)).status in {"queued", "running"}:
            report(state.done, state.total)
            if state.status == "queued" and state.error and state.error != last_reason:
                last_reason = state.error
                on_wait(last_reason)
            if state.status == "queued" and (attempt is None or attempt.done()):
                attempt = start(jobs.run(job_id, perform), "job")
            if next(polls) % _POLLS_PER_SWEEP == 0:
                await jobs.sweep()  # the worker that ran it may have died
            await asyncio.sleep(_POLL_INTERVAL)
        report(state.done, state.total)
        return state
    finally:
        if attempt is not None:
            attempt.cancel()
            await asyncio.wait([attempt])
