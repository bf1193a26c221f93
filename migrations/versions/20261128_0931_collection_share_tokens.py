"""The secret of a collection's share link, encrypted, so that the link can be shown again."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261128_0931"
down_revision: str | None = "20261128_0430"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("collections", sa.Column("share_token", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("collections", "share_token")
