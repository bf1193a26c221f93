"""Accounts at other services, snapshots and conflicts of the two-way sync."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "20261128_0400"
down_revision: str = "20261128_0342"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_INSTANT = sa.DateTime(timezone=True)
_NOW = sa.func.now()


def _owner(**options: object) -> sa.Column[int]:
    return sa.Column(
        "user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, **options
    )


def upgrade() -> None:
    op.create_table(
        "service_links",
        _owner(primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("remote_user_id", sa.BigInteger, nullable=False),
        sa.Column("remote_name", sa.Text, nullable=False),
        sa.Column("score_format", sa.Text),
        sa.Column("token", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("refused_at", _INSTANT),
        sa.Column("pulled_at", _INSTANT),
        sa.Column("pending_since", _INSTANT),
        sa.Column("busy_by", sa.Uuid),
        sa.Column("busy_until", _INSTANT),
        sa.Column("reminded_days", sa.Integer),
        sa.Column("connected_at", _INSTANT, server_default=_NOW, nullable=False),
    )
    op.create_table(
        "sync_snapshots",
        _owner(primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("media_type", sa.Text, primary_key=True),
        sa.Column("remote_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("entry_id", sa.BigInteger, nullable=False),
        sa.Column("remote", JSONB, nullable=False),
        sa.Column("sent", JSONB, nullable=False),
        sa.Column("local_version", sa.Integer, nullable=False),
        sa.Column("fault", sa.Text),
        sa.Column("seen_at", _INSTANT, server_default=_NOW, nullable=False),
        sa.CheckConstraint("media_type in ('anime', 'manga')", name="media_type"),
    )
    op.create_index(
        "uq_sync_snapshots_entry", "sync_snapshots", ["user_id", "service", "entry_id"], unique=True
    )
    op.create_table(
        "sync_conflicts",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        _owner(),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("entry_id", sa.BigInteger, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("local_value", JSONB, nullable=False),
        sa.Column("remote_value", JSONB, nullable=False),
        sa.Column("kept", sa.Text, nullable=False),
        sa.Column("at", _INSTANT, server_default=_NOW, nullable=False),
        sa.Column("resolved_at", _INSTANT),
        sa.CheckConstraint("kept in ('local', 'remote')", name="kept"),
    )
    op.create_index("ix_sync_conflicts_open", "sync_conflicts", ["user_id", "service", sa.text("id desc")])
    op.create_table(
        "oauth_states",
        sa.Column("state_hash", sa.LargeBinary, primary_key=True),
        _owner(index=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
    )
    op.create_index("ix_oauth_states_expires_at", "oauth_states", ["expires_at"])


def downgrade() -> None:
    for table in ("oauth_states", "sync_conflicts", "sync_snapshots", "service_links"):
        op.drop_table(table)
