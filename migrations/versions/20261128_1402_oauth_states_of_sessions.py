"""OAuth states belong to a session and are deleted with it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261128_1402"
down_revision: str | None = "20261128_1345"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("oauth_states", sa.Column("session_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_oauth_states_session_id"),
        "oauth_states",
        "sessions",
        ["session_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(op.f("ix_oauth_states_session_id"), "oauth_states", ["session_id"])


def downgrade() -> None:
    op.drop_column("oauth_states", "session_id")
