"""Background jobs: the row is authoritative, Redis only transports its id."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class JobRow(Base):
    """``lease_token`` identifies the run that holds the job, which counts as dead after ``lease_until``.

    Within a ``job_class`` the lowest ``turn`` runs first. The jobs ``on_behalf_of`` one user have increasing
    turns, so that users are served round-robin.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("status in ('queued', 'running', 'succeeded', 'failed')", name="status"),
        Index(
            "uq_jobs_live_key", "key", unique=True, postgresql_where=text("status in ('queued', 'running')")
        ),
        Index("ix_jobs_due", "run_after", postgresql_where=text("status = 'queued'")),
        Index("ix_jobs_leases", "lease_until", postgresql_where=text("status = 'running'")),
        Index("ix_jobs_owner_id", "owner_id", "id"),
        Index("ix_jobs_turns", "job_class", "turn", "id", postgresql_where=text("status = 'queued'")),
        Index(
            "ix_jobs_turns_of_person",
            "job_class",
            "on_behalf_of",
            "turn",
            postgresql_where=text("status = 'queued'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    arguments: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    job_class: Mapped[str] = mapped_column(Text, server_default="order")
    on_behalf_of: Mapped[int | None] = mapped_column(BigInteger)
    turn: Mapped[int] = mapped_column(BigInteger, server_default="0")
    status: Mapped[str] = mapped_column(Text, server_default="queued")
    attempts: Mapped[int] = mapped_column(server_default="0")
    done: Mapped[int] = mapped_column(server_default="0")
    total: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)
    run_after: Mapped[datetime] = mapped_column(server_default=func.now())
    sent_at: Mapped[datetime | None]
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ScheduleRow(Base):
    """When a periodic job was last fired, so that several schedulers fire it once."""

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    fired_at: Mapped[datetime]
