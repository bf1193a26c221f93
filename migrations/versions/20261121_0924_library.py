"""Lists, history, favourites, progress, collections and imports."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "20261121_0924"
down_revision: str | None = "20261121_0913"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "collections",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("is_public", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("share_hash", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_collections_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
        sa.UniqueConstraint("share_hash", name=op.f("uq_collections_share_hash")),
    )
    op.create_index(
        "ix_collections_newest",
        "collections",
        ["user_id", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_table(
        "entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("anime_id", sa.Integer(), nullable=True),
        sa.Column("mal_id", sa.Integer(), nullable=True),
        sa.Column("anilist_id", sa.Integer(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("cover_url", sa.Text(), nullable=True),
        sa.Column("format", sa.Text(), nullable=True),
        sa.Column("site_url", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=True),
        sa.Column("progress", sa.Integer(), server_default="0", nullable=False),
        sa.Column("volumes", sa.Integer(), nullable=True),
        sa.Column("max_progress", sa.Integer(), nullable=True),
        sa.Column("is_rewatching", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("rewatch_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started_at", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("is_private", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("carried", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("anime_id is null or media_type = 'anime'", name=op.f("ck_entries_linked_anime")),
        sa.CheckConstraint(
            "finished_at ~ '^\\d{4}(-\\d{2}(-\\d{2})?)?$'", name=op.f("ck_entries_finished_at")
        ),
        sa.CheckConstraint("media_type in ('anime', 'manga')", name=op.f("ck_entries_media_type")),
        sa.CheckConstraint("started_at ~ '^\\d{4}(-\\d{2}(-\\d{2})?)?$'", name=op.f("ck_entries_started_at")),
        sa.CheckConstraint(
            "status in ('watching', 'completed', 'plan_to_watch', 'dropped', 'on_hold')",
            name=op.f("ck_entries_status"),
        ),
        sa.CheckConstraint("anime_id is not null or title is not null", name=op.f("ck_entries_named")),
        sa.CheckConstraint("max_progress > 0", name=op.f("ck_entries_max_progress")),
        sa.CheckConstraint("progress >= 0", name=op.f("ck_entries_progress")),
        sa.CheckConstraint("rewatch_count >= 0", name=op.f("ck_entries_rewatch_count")),
        sa.CheckConstraint("score between 0 and 100", name=op.f("ck_entries_score")),
        sa.CheckConstraint("volumes >= 0", name=op.f("ck_entries_volumes")),
        sa.ForeignKeyConstraint(
            ["anime_id"], ["anime.id"], name=op.f("fk_entries_anime_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_entries_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
    )
    op.create_index("ix_entries_changed", "entries", ["user_id", "updated_at"], unique=False)
    op.create_index(
        "ix_entries_newest",
        "entries",
        ["user_id", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index("ix_entries_of_anime", "entries", ["anime_id"], unique=False)
    op.create_index(
        "ix_entries_unmatched",
        "entries",
        ["media_type", "mal_id"],
        unique=False,
        postgresql_where=sa.text("anime_id is null"),
    )
    op.create_index("uq_entries_anilist_id", "entries", ["user_id", "media_type", "anilist_id"], unique=True)
    op.create_index("uq_entries_anime_id", "entries", ["user_id", "anime_id"], unique=True)
    op.create_index("uq_entries_mal_id", "entries", ["user_id", "media_type", "mal_id"], unique=True)
    op.create_table(
        "entry_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("anime_id", sa.Integer(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("before", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_entry_changes_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry_changes")),
    )
    op.create_index(
        "ix_entry_changes_anime",
        "entry_changes",
        ["user_id", "anime_id", sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "ix_entry_changes_entry",
        "entry_changes",
        ["user_id", "entry_id", sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "ix_entry_changes_job_id",
        "entry_changes",
        ["job_id"],
        unique=False,
        postgresql_where=sa.text("job_id is not null"),
    )
    op.create_table(
        "entry_tombstones",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("anime_id", sa.Integer(), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_entry_tombstones_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_entry_tombstones")),
    )
    op.create_index(
        "ix_entry_tombstones_deleted", "entry_tombstones", ["user_id", "deleted_at"], unique=False
    )
    op.create_table(
        "favorites",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("anime_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["anime_id"], ["anime.id"], name=op.f("fk_favorites_anime_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_favorites_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_favorites")),
    )
    op.create_index(op.f("ix_favorites_anime_id"), "favorites", ["anime_id"], unique=False)
    op.create_index("uq_favorites_user_id", "favorites", ["user_id", "anime_id"], unique=True)
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_idempotency_keys_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "views",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("anime_id", sa.Integer(), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("release_id", sa.Integer(), nullable=True),
        sa.Column("viewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("episode >= 1", name=op.f("ck_views_episode")),
        sa.ForeignKeyConstraint(
            ["anime_id"], ["anime.id"], name=op.f("fk_views_anime_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_views_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_views")),
    )
    op.create_index(op.f("ix_views_anime_id"), "views", ["anime_id"], unique=False)
    op.create_index(
        "ix_views_newest",
        "views",
        ["user_id", sa.literal_column("viewed_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_table(
        "watch_progress",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("anime_id", sa.Integer(), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("position_seconds", sa.Integer(), nullable=True),
        sa.Column("progress_percent", sa.Double(), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "last_watched_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint("episode >= 1", name=op.f("ck_watch_progress_episode")),
        sa.CheckConstraint("position_seconds >= 0", name=op.f("ck_watch_progress_position_seconds")),
        sa.CheckConstraint(
            "progress_percent between 0 and 100", name=op.f("ck_watch_progress_progress_percent")
        ),
        sa.ForeignKeyConstraint(
            ["anime_id"], ["anime.id"], name=op.f("fk_watch_progress_anime_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_watch_progress_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watch_progress")),
    )
    op.create_index(op.f("ix_watch_progress_anime_id"), "watch_progress", ["anime_id"], unique=False)
    op.create_index(
        "ix_watch_progress_latest", "watch_progress", ["user_id", "last_watched_at"], unique=False
    )
    op.create_index(
        "uq_watch_progress_user_id", "watch_progress", ["user_id", "anime_id", "episode"], unique=True
    )
    op.create_table(
        "collection_items",
        sa.Column("collection_id", sa.BigInteger(), nullable=False),
        sa.Column("anime_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["anime_id"], ["anime.id"], name=op.f("fk_collection_items_anime_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_collection_items_collection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", "anime_id", name=op.f("pk_collection_items")),
    )
    op.create_index(op.f("ix_collection_items_anime_id"), "collection_items", ["anime_id"], unique=False)
    op.create_index(
        "ix_collection_items_order",
        "collection_items",
        ["collection_id", "position", "anime_id"],
        unique=False,
    )
    op.create_table(
        "imports",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_imports_job_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_imports_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_user_id", "imports", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_imports_user_id", table_name="imports")
    op.drop_table("imports")
    op.drop_index("ix_collection_items_order", table_name="collection_items")
    op.drop_index(op.f("ix_collection_items_anime_id"), table_name="collection_items")
    op.drop_table("collection_items")
    op.drop_index("uq_watch_progress_user_id", table_name="watch_progress")
    op.drop_index("ix_watch_progress_latest", table_name="watch_progress")
    op.drop_index(op.f("ix_watch_progress_anime_id"), table_name="watch_progress")
    op.drop_table("watch_progress")
    op.drop_index("ix_views_newest", table_name="views")
    op.drop_index(op.f("ix_views_anime_id"), table_name="views")
    op.drop_table("views")
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index("uq_favorites_user_id", table_name="favorites")
    op.drop_index(op.f("ix_favorites_anime_id"), table_name="favorites")
    op.drop_table("favorites")
    op.drop_index("ix_entry_tombstones_deleted", table_name="entry_tombstones")
    op.drop_table("entry_tombstones")
    op.drop_index(
        "ix_entry_changes_job_id", table_name="entry_changes", postgresql_where=sa.text("job_id is not null")
    )
    op.drop_index("ix_entry_changes_entry", table_name="entry_changes")
    op.drop_index("ix_entry_changes_anime", table_name="entry_changes")
    op.drop_table("entry_changes")
    op.drop_index("uq_entries_mal_id", table_name="entries")
    op.drop_index("uq_entries_anime_id", table_name="entries")
    op.drop_index("uq_entries_anilist_id", table_name="entries")
    op.drop_index("ix_entries_unmatched", table_name="entries", postgresql_where=sa.text("anime_id is null"))
    op.drop_index("ix_entries_of_anime", table_name="entries")
    op.drop_index("ix_entries_newest", table_name="entries")
    op.drop_index("ix_entries_changed", table_name="entries")
    op.drop_table("entries")
    op.drop_index("ix_collections_newest", table_name="collections")
    op.drop_table("collections")
