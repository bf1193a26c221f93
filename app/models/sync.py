"""The two-way sync with lists at other services."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class ServiceLinkRow(Base):
    """A user's account at a service; ``token`` is encrypted.

    ``refused_at`` is when the service first rejected the token, ``pending_since`` the time of the first
    change not yet pushed; ``busy_by`` is the run that holds the lease; ``reminded_days`` is the last reminder
    sent.
    """

    __tablename__ = "service_links"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    service: Mapped[str] = mapped_column(Text, primary_key=True)
    remote_user_id: Mapped[int] = mapped_column(BigInteger)
    remote_name: Mapped[str] = mapped_column(Text)
    score_format: Mapped[str | None] = mapped_column(Text)
    token: Mapped[bytes]
    expires_at: Mapped[datetime]
    refused_at: Mapped[datetime | None]
    pulled_at: Mapped[datetime | None]
    pending_since: Mapped[datetime | None]
    busy_by: Mapped[UUID | None]
    busy_until: Mapped[datetime | None]
    reminded_days: Mapped[int | None]
    connected_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SyncSnapshotRow(Base):
    """The service's last known state of an entry, and our state last pushed; both in the service's terms.

    An entry whose ``version`` is above ``local_version`` has changes that were not pushed yet. The row
    outlives the entry, so that a pull does not bring a deleted entry back.
    """

    __tablename__ = "sync_snapshots"
    __table_args__ = (
        CheckConstraint("media_type in ('anime', 'manga')", name="media_type"),
        Index("uq_sync_snapshots_entry", "user_id", "service", "entry_id", unique=True),
    )

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    service: Mapped[str] = mapped_column(Text, primary_key=True)
    media_type: Mapped[str] = mapped_column(Text, primary_key=True)
    remote_id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(BigInteger)
    remote: Mapped[dict[str, Any]] = mapped_column(JSONB)
    sent: Mapped[dict[str, Any]] = mapped_column(JSONB)
    local_version: Mapped[int]
    fault: Mapped[str | None] = mapped_column(Text)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SyncConflictRow(Base):
    """A field that both sides had changed: both values, and which side was kept."""

    __tablename__ = "sync_conflicts"
    __table_args__ = (
        CheckConstraint("kept in ('local', 'remote')", name="kept"),
        Index("ix_sync_conflicts_open", "user_id", "service", text("id desc")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    service: Mapped[str] = mapped_column(Text)
    entry_id: Mapped[int] = mapped_column(BigInteger)
    field: Mapped[str] = mapped_column(Text)
    local_value: Mapped[Any] = mapped_column(JSONB)
    remote_value: Mapped[Any] = mapped_column(JSONB)
    kept: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    resolved_at: Mapped[datetime | None]


class OAuthStateRow(Base):
    """The SHA-256 of an OAuth state that was issued and not used yet; it ends with the session it is for."""

    __tablename__ = "oauth_states"
    __table_args__ = (Index("ix_oauth_states_expires_at", "expires_at"),)

    state_hash: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    service: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime]
    session_id: Mapped[UUID | None] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
