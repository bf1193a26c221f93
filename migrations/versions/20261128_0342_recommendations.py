"""Models of recommendations, lists of open dumps, similar titles, what is not to be recommended."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "20261128_0342"
down_revision: str | None = "20261128_0335"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "recommendation_models",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("fitted_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendation_models")),
    )
    op.create_table(
        "open_ratings",
        sa.Column("id", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("id", name=op.f("ck_open_ratings_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_open_ratings")),
    )
    for table in (
        "recommendation_models",
        "open_ratings",
    ):  # packed numbers, which PostgreSQL packs no further
        op.execute(f"alter table {table} alter column content set storage external")
    op.create_table(
        "similar_titles",
        sa.Column("anime_id", sa.Integer(), nullable=False),
        sa.Column("similar_ids", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("scores", postgresql.ARRAY(sa.REAL()), nullable=False),
        sa.Column("together", postgresql.ARRAY(sa.REAL()), nullable=False),
        sa.ForeignKeyConstraint(
            ["anime_id"], ["anime.id"], name=op.f("fk_similar_titles_anime_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("anime_id", name=op.f("pk_similar_titles")),
    )
    op.create_table(
        "ignored_recommendations",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("anime_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_ignored_recommendations_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["anime_id"], ["anime.id"], name=op.f("fk_ignored_recommendations_anime_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "anime_id", name=op.f("pk_ignored_recommendations")),
    )
    op.create_index(op.f("ix_ignored_recommendations_anime_id"), "ignored_recommendations", ["anime_id"])


def downgrade() -> None:
    for table in ("ignored_recommendations", "similar_titles", "open_ratings", "recommendation_models"):
        op.drop_table(table)
