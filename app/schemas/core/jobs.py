"""Schemas of jobs."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from app.schemas.domain.jobs import EnqueuedJob, JobState
from app.schemas.jobs import JobStatus


class JobProgressOut(BaseModel):
    """``total`` is null until the job knows it."""

    done: int
    total: int | None


class JobOut(BaseModel):
    """``error`` is the reason of the failure or, while the job is queued, of the next attempt."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 17,
                "key": "anime.sync:5114",
                "kind": "anime.sync",
                "status": "succeeded",
                "progress": {"done": 1, "total": 1},
                "error": None,
                "created_at": "2026-11-21T09:00:00Z",
                "started_at": "2026-11-21T09:00:01Z",
                "finished_at": "2026-11-21T09:00:02Z",
            }
        }
    )

    id: int
    key: str
    kind: str
    status: JobStatus
    progress: JobProgressOut
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, job: JobState) -> "JobOut":
        return cls(
            id=job.id,
            key=job.key,
            kind=job.kind,
            status=job.status,
            progress=JobProgressOut(done=job.done, total=job.total),
            error=job.error,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
        )


class QueuedJobOut(BaseModel):
    """The response (202) of routes that queue a job."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "job_id": 17,
                "key": "anime.sync:5114",
                "status": "queued",
                "status_url": "/jobs/17",
                "message": "Queued.",
            }
        }
    )

    job_id: int
    key: str
    status: JobStatus
    status_url: str
    message: str

    @classmethod
    def of(cls, job: EnqueuedJob) -> "QueuedJobOut":
        message = "Queued." if job.created else f"The same work is {job.status} already."
        return cls(
            job_id=job.id, key=job.key, status=job.status, status_url=f"/jobs/{job.id}", message=message
        )
