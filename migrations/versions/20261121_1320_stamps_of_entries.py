"""Timestamps of entries are those of the statement, not of the transaction, since writers are serialised."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261121_1320"
down_revision: str | None = "20261121_0936"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_STAMPS = ("created_at", "updated_at")


def upgrade() -> None:
    for name in _STAMPS:
        op.alter_column("entries", name, server_default=sa.text("statement_timestamp()"))


def downgrade() -> None:
    for name in _STAMPS:
        op.alter_column("entries", name, server_default=sa.text("now()"))
