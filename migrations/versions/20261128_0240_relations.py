"""Relations between titles, by MyAnimeList's ids, with the source of each."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261128_0240"
down_revision: str | None = "20261128_0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "anime_relations",
        sa.Column("from_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("to_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.CheckConstraint("from_id > 0 and to_id > 0", name=op.f("ck_anime_relations_ids")),
        sa.CheckConstraint("media_type in ('anime', 'manga')", name=op.f("ck_anime_relations_media_type")),
        sa.PrimaryKeyConstraint(
            "from_id", "media_type", "to_id", "type", "source", name=op.f("pk_anime_relations")
        ),
    )
    op.create_index(
        "ix_anime_relations_to_id",
        "anime_relations",
        ["to_id"],
        postgresql_where=sa.text("media_type = 'anime'"),
    )
    op.create_table(
        "relation_counts",
        sa.Column("mal_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("relations", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("mal_id", name=op.f("pk_relation_counts")),
    )


def downgrade() -> None:
    op.drop_table("relation_counts")
    op.drop_table("anime_relations")
