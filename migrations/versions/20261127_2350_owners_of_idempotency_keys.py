"""Owners of idempotency keys, and encrypted responses."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261127_2350"
down_revision: str | None = "20261127_2347"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    # Answers in clear may hold share links. What repeats a request of before the update runs anew.
    op.execute("delete from idempotency_keys")
    op.add_column("idempotency_keys", sa.Column("owner", sa.Uuid(), nullable=True))
    op.add_column(
        "idempotency_keys",
        sa.Column("renewed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )


def downgrade() -> None:
    op.execute("delete from idempotency_keys")  # the code before would replay encrypted answers as they are
    op.drop_column("idempotency_keys", "renewed_at")
    op.drop_column("idempotency_keys", "owner")
