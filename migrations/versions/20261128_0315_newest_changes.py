"""An index for what changed on a list, newest first."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261128_0315"
down_revision: str | None = "20261128_0244"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_entry_changes_newest",
        "entry_changes",
        ["user_id", sa.text("id desc")],
        postgresql_where=sa.text("job_id is null"),
    )


def downgrade() -> None:
    op.drop_index("ix_entry_changes_newest", "entry_changes")
