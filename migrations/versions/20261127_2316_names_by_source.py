"""Names of titles per source, sync times in a table of their own, no placeholder pictures."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "20261127_2316"
down_revision: str | None = "20261121_1320"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# A sync overwrote every name but the Russian one, which MAL does not know.
_NAMES_OF_MAL = """
    insert into anime_names (anime_id, source, title, title_english, title_japanese, synonyms)
    select id, 'mal', title, title_english, title_japanese, nullif(synonyms, '{}')
    from anime where synced_at is not null
"""
_RUSSIAN_NAMES = """
    insert into anime_names (anime_id, source, dated, title, title_russian)
    select id, 'dump', dumped_on, title, title_russian
    from anime where synced_at is not null and title_russian is not null
"""
# What was written by hand is dated the day it was written; a dump of that day is told from it by nothing.
_OTHER_NAMES = """
    insert into anime_names
        (anime_id, source, dated, title, title_english, title_japanese, title_russian, synonyms)
    select id, case when dumped_on = created_at::date then 'manual' else 'dump' end, dumped_on,
           title, title_english, title_japanese, title_russian, nullif(synonyms, '{}')
    from anime where synced_at is null
"""
_SYNCS = """
    insert into anime_syncs (anime_id, synced_at)
    select id, synced_at from anime where synced_at is not null
"""
_NO_PLACEHOLDERS = r"""
    update anime set image_url = null, updated_at = now()
    where image_url ~* '(apple-touch-icon|/questionmark|/qm_\d|/no_?pic|anilistcdn/.*/default\.|/missing[_/])'
"""
_SYNCS_BACK = "update anime set synced_at = s.synced_at from anime_syncs s where s.anime_id = anime.id"


def upgrade() -> None:
    op.create_table(
        "anime_names",
        sa.Column("anime_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("dated", sa.Date(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_english", sa.Text(), nullable=True),
        sa.Column("title_japanese", sa.Text(), nullable=True),
        sa.Column("title_russian", sa.Text(), nullable=True),
        sa.Column("synonyms", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.CheckConstraint(
            "source in ('mal', 'manual', 'dump', 'offline_database')", name=op.f("ck_anime_names_source")
        ),
        sa.ForeignKeyConstraint(
            ["anime_id"], ["anime.id"], name=op.f("fk_anime_names_anime_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("anime_id", "source", name=op.f("pk_anime_names")),
    )
    op.create_table(
        "anime_syncs",
        sa.Column("anime_id", sa.Integer(), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["anime_id"], ["anime.id"], name=op.f("fk_anime_syncs_anime_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("anime_id", name=op.f("pk_anime_syncs")),
    )
    for statement in (_NAMES_OF_MAL, _RUSSIAN_NAMES, _OTHER_NAMES, _SYNCS, _NO_PLACEHOLDERS):
        op.execute(statement)
    op.create_index(op.f("ix_anime_syncs_synced_at"), "anime_syncs", ["synced_at"], unique=False)
    op.drop_index("ix_anime_stale", table_name="anime", postgresql_where=sa.text("mal_id is not null"))
    op.drop_column("anime", "synced_at")


def downgrade() -> None:
    op.add_column("anime", sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(_SYNCS_BACK)
    op.create_index(
        "ix_anime_stale", "anime", ["synced_at"], unique=False, postgresql_where=sa.text("mal_id is not null")
    )
    op.drop_index(op.f("ix_anime_syncs_synced_at"), table_name="anime_syncs")
    op.drop_table("anime_syncs")
    op.drop_table("anime_names")
