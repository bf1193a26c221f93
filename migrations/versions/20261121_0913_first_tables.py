"""The first tables: accounts, catalogue, jobs."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "20261121_0913"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


# Normalised for search: compatibility forms, no accents, lower case. Queries use the same function.
_SEARCH_FOLD = r"""
create function search_fold(value text) returns text
language sql immutable strict parallel safe
return lower(regexp_replace(normalize(value, NFKD), '[\u0300-\u036f]', '', 'g'))
"""

# One line a title, in spaces, so that a pattern can ask for a whole title, its beginning or a whole word.
_SEARCH_TEXT = r"""
create function anime_search_text(
    title text, title_english text, title_japanese text, title_russian text, synonyms text[]
) returns text
language sql immutable parallel safe
return replace(
    E'\n ' || replace(
        search_fold(concat_ws(E'\n', title, title_english, title_japanese, title_russian,
                              array_to_string(synonyms, E'\n'))),
        E'\n', E' \n ') || E' \n',
    '  ', ' ')
"""

# A LIKE pattern for text that contains this word literally.
_SEARCH_PATTERN = r"""
create function search_pattern(word text) returns text
language sql immutable strict parallel safe
return '%' || regexp_replace(search_fold(word), '([\\%_])', '\\\1', 'g') || '%'
"""

# Patterns for typing mistakes in a word: letters swapped, missing, added or wrong.
# Anchored to the beginning of a word, so that each has trigrams for the index.
# Only for words of letters and digits: nothing is escaped.
_SEARCH_TYPOS = """
create function search_typos(word text) returns text[]
language sql immutable strict parallel safe
return (
    with folded as (select search_fold(word) as w),
         cut as (select left(w, n) as a, substr(w, n + 1) as b
                 from folded, generate_series(0, length(w) - 1) as n)
    select array_agg(distinct '% ' || near || '%')
    from cut, unnest(array[
        a || '_' || substr(b, 2),
        a || '_' || b,
        a || substr(b, 2),
        a || substr(b, 2, 1) || left(b, 1) || substr(b, 3)
    ]) as near
)
"""

# Titles that look like the query, or hold words that do, with how much they do (0 to 1).
_SEARCH_ALIKE = """
create function search_alike(query text) returns table (id integer, likeness real)
language sql stable parallel safe
set pg_trgm.word_similarity_threshold = 0.45
begin atomic
    select anime.id, word_similarity(search_fold(query), anime.search_text)
    from anime where search_fold(query) <% anime.search_text;
end
"""

_BUMP = """
create function bump_catalogue_version() returns trigger language plpgsql as $$
begin
    update catalogue_version set version = version + 1, labels = labels + (tg_table_name = 'genres')::int;
    return null;
end
$$
"""

_VERSIONED = ("anime", "genres", "studios")


def upgrade() -> None:
    op.execute("create extension if not exists pg_trgm")
    op.execute(_SEARCH_FOLD)
    op.execute(_SEARCH_TEXT)
    op.execute(_SEARCH_PATTERN)
    op.execute(_SEARCH_TYPOS)
    op.create_table(
        "anime",
        # rows hold them in this order: what filters and orders look at comes first, to be reached quickly
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("mal_id", sa.Integer(), nullable=True),
        sa.Column("anilist_id", sa.Integer(), nullable=True),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("episodes", sa.Integer(), nullable=True),
        sa.Column("popularity", sa.Integer(), nullable=True),
        sa.Column("members", sa.Integer(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("scored_by", sa.Integer(), nullable=True),
        sa.Column("is_adult", sa.Boolean(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_minutes", sa.Double(), nullable=True),
        sa.Column("dumped_on", sa.Date(), nullable=True),
        sa.Column("tag_ids", postgresql.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.Column(
            "search_text",
            sa.Text(),
            sa.Computed(
                "anime_search_text(title, title_english, title_japanese, title_russian, synonyms)",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("season", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("rating", sa.Text(), nullable=True),
        sa.Column("studio_ids", postgresql.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_english", sa.Text(), nullable=True),
        sa.Column("title_japanese", sa.Text(), nullable=True),
        sa.Column("title_russian", sa.Text(), nullable=True),
        sa.Column("synonyms", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("trailer_url", sa.Text(), nullable=True),
        sa.Column("aired_from", sa.Text(), nullable=True),
        sa.Column("aired_to", sa.Text(), nullable=True),
        sa.Column("broadcast", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("images", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("synopsis", sa.Text(), nullable=True),
        sa.CheckConstraint("aired_from ~ '^\\d{4}(-\\d{2}(-\\d{2})?)?$'", name=op.f("ck_anime_aired_from")),
        sa.CheckConstraint("aired_to ~ '^\\d{4}(-\\d{2}(-\\d{2})?)?$'", name=op.f("ck_anime_aired_to")),
        sa.CheckConstraint("season in ('winter', 'spring', 'summer', 'fall')", name=op.f("ck_anime_season")),
        sa.CheckConstraint("status in ('airing', 'finished', 'upcoming')", name=op.f("ck_anime_status")),
        sa.CheckConstraint("episodes > 0", name=op.f("ck_anime_episodes")),
        sa.CheckConstraint("score > 0 and score <= 10", name=op.f("ck_anime_score")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anime")),
        sa.UniqueConstraint("anilist_id", name=op.f("uq_anime_anilist_id")),
        sa.UniqueConstraint("mal_id", name=op.f("uq_anime_mal_id")),
    )
    for column in ("popularity", "year"):
        falling = sa.literal_column(f"{column} desc nulls last")
        op.create_index(f"ix_anime_{column}", "anime", [column, "id"], unique=False)
        op.create_index(
            f"ix_anime_{column}_falling", "anime", [falling, sa.literal_column("id desc")], unique=False
        )
    op.create_index(
        "ix_anime_score", "anime", [sa.literal_column("score desc nulls last"), "id"], unique=False
    )
    for column in ("status", "type", "year"):  # what filters ask for alone, and their best titles
        best = [column, sa.literal_column("score desc nulls last"), "id"]
        op.create_index(f"ix_anime_{column}_score", "anime", best, unique=False)
    op.create_index("ix_anime_score_rising", "anime", ["score", "id"], unique=False)
    op.create_index(
        "ix_anime_search_text",
        "anime",
        ["search_text"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.create_index(
        "ix_anime_stale", "anime", ["synced_at"], unique=False, postgresql_where=sa.text("mal_id is not null")
    )
    op.create_index("ix_anime_tag_ids", "anime", ["tag_ids"], unique=False, postgresql_using="gin")
    op.create_index("ix_anime_title", "anime", ["title", "id"], unique=False)
    op.create_index("ix_anime_updated_at", "anime", ["updated_at", "id"], unique=False)
    op.create_table(
        "catalogue_version",
        sa.Column("id", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("labels", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("id", name=op.f("ck_catalogue_version_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalogue_version")),
    )
    op.create_table(
        "genres",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mal_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("kind in ('genre', 'theme', 'demographic')", name=op.f("ck_genres_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_genres")),
    )
    op.create_index("uq_genres_kind_mal_id", "genres", ["kind", "mal_id"], unique=True)
    op.create_index("uq_genres_kind_name", "genres", ["kind", sa.literal_column("lower(name)")], unique=True)
    op.create_table(
        "schedules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedules")),
    )
    op.create_table(
        "studios",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mal_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studios")),
        sa.UniqueConstraint("mal_id", name=op.f("uq_studios_mal_id")),
    )
    op.execute(_SEARCH_ALIKE)
    op.create_index("uq_studios_name", "studios", [sa.literal_column("lower(name)")], unique=True)
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("full_name", sa.Text(), nullable=True),
        sa.Column("avatar", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), server_default="user", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("role in ('user', 'admin')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index("uq_users_email", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_index("uq_users_username", "users", [sa.literal_column("lower(username)")], unique=True)
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("run_after", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status in ('queued', 'running', 'succeeded', 'failed')", name=op.f("ck_jobs_status")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_jobs_owner_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_due", "jobs", ["run_after"], unique=False, postgresql_where=sa.text("status = 'queued'")
    )
    op.create_index(
        "ix_jobs_leases",
        "jobs",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_index("ix_jobs_owner_id", "jobs", ["owner_id", "id"], unique=False)
    op.create_index(
        "uq_jobs_live_key",
        "jobs",
        ["key"],
        unique=True,
        postgresql_where=sa.text("status in ('queued', 'running')"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("refresh_hash", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "last_used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("refresh_hash", name=op.f("uq_sessions_refresh_hash")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    op.execute("insert into catalogue_version default values")
    op.execute(_BUMP)
    for table in _VERSIONED:
        op.execute(
            f"create trigger {table}_bump before insert or update or delete or truncate on {table} "
            "for each statement execute function bump_catalogue_version()"
        )


def downgrade() -> None:
    op.drop_index(op.f("ix_sessions_user_id"), table_name="sessions")
    op.drop_table("sessions")
    op.drop_index(
        "uq_jobs_live_key", table_name="jobs", postgresql_where=sa.text("status in ('queued', 'running')")
    )
    op.drop_index("ix_jobs_owner_id", table_name="jobs")
    op.drop_index("ix_jobs_leases", table_name="jobs", postgresql_where=sa.text("status = 'running'"))
    op.drop_index("ix_jobs_due", table_name="jobs", postgresql_where=sa.text("status = 'queued'"))
    op.drop_table("jobs")
    op.drop_index("uq_users_username", table_name="users")
    op.drop_index("uq_users_email", table_name="users")
    op.drop_table("users")
    op.drop_index("uq_studios_name", table_name="studios")
    op.drop_table("studios")
    op.drop_table("schedules")
    op.drop_index("uq_genres_kind_name", table_name="genres")
    op.drop_index("uq_genres_kind_mal_id", table_name="genres")
    op.drop_table("genres")
    op.drop_table("catalogue_version")
    op.execute("drop function search_alike")
    op.drop_index("ix_anime_year_falling", table_name="anime")
    op.drop_index("ix_anime_year", table_name="anime")
    op.drop_index("ix_anime_updated_at", table_name="anime")
    op.drop_index("ix_anime_title", table_name="anime")
    op.drop_index("ix_anime_tag_ids", table_name="anime", postgresql_using="gin")
    op.drop_index("ix_anime_stale", table_name="anime", postgresql_where=sa.text("mal_id is not null"))
    op.drop_index(
        "ix_anime_search_text",
        table_name="anime",
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.drop_index("ix_anime_score_rising", table_name="anime")
    for column in ("year", "type", "status"):
        op.drop_index(f"ix_anime_{column}_score", table_name="anime")
    op.drop_index("ix_anime_score", table_name="anime")
    op.drop_index("ix_anime_popularity_falling", table_name="anime")
    op.drop_index("ix_anime_popularity", table_name="anime")
    op.drop_table("anime")
    op.execute("drop function bump_catalogue_version")
    op.execute("drop function search_typos")
    op.execute("drop function search_pattern")
    op.execute("drop function anime_search_text")
    op.execute("drop function search_fold")
