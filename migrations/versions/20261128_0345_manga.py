"""A table of manga, found by any of their names."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision: str = "20261128_0345"
down_revision: str | None = "20261128_0312"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "manga",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("mal_id", sa.Integer),
        sa.Column("anilist_id", sa.Integer),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("names", ARRAY(sa.Text), server_default="{}", nullable=False),
        sa.Column("format", sa.Text),
        sa.Column("image_url", sa.Text),
        sa.Column("chapters", sa.Integer),
        sa.Column("volumes", sa.Integer),
        sa.Column("members", sa.Integer),
        sa.Column(
            "search_text",
            sa.Text,
            sa.Computed("anime_search_text(title, null, null, null, names)", persisted=True),
            nullable=False,
        ),
        sa.Column("created_at", _INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", _INSTANT, server_default=sa.func.now(), nullable=False),
    )
    op.create_index("uq_manga_mal_id", "manga", ["mal_id"], unique=True)
    op.create_index(
        "uq_manga_anilist_id",
        "manga",
        ["anilist_id"],
        unique=True,
        postgresql_where=sa.text("mal_id is null"),
    )
    op.create_index(
        "ix_manga_search_text",
        "manga",
        ["search_text"],
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )


def downgrade() -> None:
    op.drop_table("manga")
