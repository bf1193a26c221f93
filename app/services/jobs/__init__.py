"""Background jobs: enqueueing, running, retrying, and recovery of lost ones."""

from app.services.jobs.queue import JobQueue, JobService
from app.services.jobs.retry_policy import JobTimings
from app.services.jobs.run import JobRun, LeaseLost, Perform

__all__ = ["JobQueue", "JobRun", "JobService", "JobTimings", "LeaseLost", "Perform"]
