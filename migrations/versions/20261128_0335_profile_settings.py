"""What people set in their profile: time zone, language of titles, adult titles, who sees the list."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261128_0335"
down_revision: str | None = "20261128_0315"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_CHECKS = {
    "title_language": "title_language in ('romaji', 'english', 'japanese', 'russian')",
    "list_visibility": "list_visibility in ('private', 'public')",
}


def upgrade() -> None:
    op.add_column("users", sa.Column("timezone", sa.Text(), server_default="UTC", nullable=False))
    op.add_column("users", sa.Column("title_language", sa.Text(), server_default="romaji", nullable=False))
    op.add_column("users", sa.Column("adult", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("users", sa.Column("list_visibility", sa.Text(), server_default="private", nullable=False))
    for name, condition in _CHECKS.items():
        op.create_check_constraint(op.f(f"ck_users_{name}"), "users", condition)


def downgrade() -> None:
    for name in _CHECKS:
        op.drop_constraint(op.f(f"ck_users_{name}"), "users", type_="check")
    for column in ("list_visibility", "adult", "title_language", "timezone"):
        op.drop_column("users", column)
