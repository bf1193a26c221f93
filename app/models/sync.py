"""Tables of the two-way sync with other services' lists."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class ServiceLinkRow(Base):
    """Somebody's account at a service; ``token`` is encrypted.

    ``refused_at`` is since when the service does not take the token, ``pending_since`` since when there are
    changes that it may not have been told; ``busy_by`` is the run that speaks with it now;
    ``reminded_days`` is the last reminder.
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
    """What was last seen of an entry at a service and what of ours it was told, both as it holds them.

    An entry of ours whose ``version`` is above ``local_version`` has changes that the service was not told.
    It stays when the entry is deleted, so that a pull does not bring the entry back.
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
    """A field that both sides had changed: both values, and whose stands."""

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
    """The SHA-256 of a state that was handed out and has not come back yet."""

    __tablename__ = "oauth_states"
    __table_args__ = (Index("ix_oauth_states_expires_at", "expires_at"),)

    state_hash: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    service: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime]
