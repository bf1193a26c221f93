"""Background jobs: putting them into the queue, running them, picking up what was lost."""

from app.services.jobs.queue import JobQueue, JobService
from app.services.jobs.run import JobRun, LeaseLost, Perform
from app.services.jobs.verdict import JobTimings

__all__ = ["JobQueue", "JobRun", "JobService", "JobTimings", "LeaseLost", "Perform"]
