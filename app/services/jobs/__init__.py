"""Background jobs: putting them into the queue, running them, picking up what was lost."""

from app.services.jobs.queue import JobQueue, JobService
from app.services.jobs.retry_policy import JobTimings
from app.services.jobs.run import JobRun, LeaseLost, Perform

__all__ = ["JobQueue", "JobRun", "JobService", "JobTimings", "LeaseLost", "Perform"]
