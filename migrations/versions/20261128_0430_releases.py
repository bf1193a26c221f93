"""Releases of a source, their episodes, answers of upstreams kept for the time without them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "20261128_0430"
down_revision: str | None = "20261128_0425"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "release_polls",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mirrored_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_release_polls")),
    )
    op.create_table(
        "upstream_answers",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_upstream_answers")),
    )
    op.create_index(op.f("ix_upstream_answers_fetched_at"), "upstream_answers", ["fetched_at"], unique=False)
    op.create_table(
        "releases",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("source", sa.Text(), server_default="anilibria", nullable=False),
        sa.Column("external_id", sa.Integer(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=True),
        sa.Column("name_ru", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=True),
        sa.Column("name_alternative", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("season", sa.Text(), nullable=True),
        sa.Column("episodes_total", sa.Integer(), nullable=True),
        sa.Column("poster_small", sa.Text(), nullable=True),
        sa.Column("poster_medium", sa.Text(), nullable=True),
        sa.Column("poster_large", sa.Text(), nullable=True),
        sa.Column("favorites", sa.Integer(), server_default="0", nullable=False),
        sa.Column("publish_day", sa.Integer(), nullable=True),
        sa.Column("age_rating", sa.Text(), nullable=True),
        sa.Column("notification", sa.Text(), nullable=True),
        sa.Column("external_player", sa.Text(), nullable=True),
        sa.Column("episode_minutes", sa.Integer(), nullable=True),
        sa.Column("blocked", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("fresh_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("genres", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("latest_ordinal", sa.Double(), nullable=True),
        sa.Column("seen_ordinals", postgresql.ARRAY(sa.Double()), server_default="{}", nullable=False),
        sa.Column("anime_id", sa.Integer(), nullable=True),
        sa.Column("link_confidence", sa.Double(), nullable=True),
        sa.Column("link_tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detailed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("followed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "season in ('winter', 'spring', 'summer', 'fall')", name=op.f("ck_releases_season")
        ),
        sa.CheckConstraint("status in ('airing', 'finished', 'upcoming')", name=op.f("ck_releases_status")),
        sa.CheckConstraint("publish_day between 1 and 7", name=op.f("ck_releases_publish_day")),
        sa.ForeignKeyConstraint(
            ["anime_id"], ["anime.id"], name=op.f("fk_releases_anime_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases")),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_releases_source")),
    )
    op.create_index(op.f("ix_releases_anime_id"), "releases", ["anime_id"], unique=False)
    op.create_index("ix_releases_favorites", "releases", ["favorites"], unique=False)
    op.create_index("ix_releases_fresh_at", "releases", ["fresh_at"], unique=False)
    op.create_table(
        "episodes",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("release_id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Double(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_english", sa.Text(), nullable=True),
        sa.Column("preview", sa.Text(), nullable=True),
        sa.Column("duration", sa.Integer(), nullable=True),
        sa.Column("sources", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rutube_id", sa.Text(), nullable=True),
        sa.Column("youtube_id", sa.Text(), nullable=True),
        sa.Column("opening", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("ending", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("sort_order", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["release_id"], ["releases.id"], name=op.f("fk_episodes_release_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_episodes")),
        sa.UniqueConstraint("release_id", "external_id", name=op.f("uq_episodes_release_id")),
    )


def downgrade() -> None:
    for table in ("episodes", "releases", "upstream_answers", "release_polls"):
        op.drop_table(table)
