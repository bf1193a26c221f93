"""A user's library: list entries and their history, favourites, progress, collections, imports."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import PARTIAL_DATE, Base, Timestamped
from app.schemas.limits import MAX_POSITION_SECONDS, MAX_PROGRESS, MAX_REWATCHES

_NOW = text("statement_timestamp()")


class EntryRow(Base):
    """One title on a user's list.

    An entry of a catalogue title leaves ``title`` and its neighbours null and shows the catalogue's values;
    an entry of an unknown title, or of a manga, has its own until it is matched.
    Writers lock the list (``lock_lists``) before the timestamps are set, so these grow in commit order.
    ``score`` is 0 to 100. ``carried`` keeps imported fields that have no column, for exports. ``version``
    is incremented by every change and is the entry's ETag.
    ``progress_changed_at`` is when status, progress or rewatching last changed, or when the episode was
    watched that changed them; null in rows older than the column, for which ``updated_at`` is used.
    """

    __tablename__ = "entries"
    __table_args__ = (
        CheckConstraint("media_type in ('anime', 'manga')", name="media_type"),
        CheckConstraint(
            "status in ('watching', 'completed', 'plan_to_watch', 'dropped', 'on_hold')", name="status"
        ),
        CheckConstraint("anime_id is not null or title is not null", name="named"),
        CheckConstraint("anime_id is null or media_type = 'anime'", name="linked_anime"),
        CheckConstraint("score between 0 and 100", name="score"),
        CheckConstraint(f"progress between 0 and {MAX_PROGRESS}", name="progress"),
        CheckConstraint(f"volumes between 0 and {MAX_PROGRESS}", name="volumes"),
        CheckConstraint(f"max_progress between 1 and {MAX_PROGRESS}", name="max_progress"),
        CheckConstraint(f"rewatch_count between 0 and {MAX_REWATCHES}", name="rewatch_count"),
        CheckConstraint(f"started_at ~ '{PARTIAL_DATE}'", name="started_at"),
        CheckConstraint(f"finished_at ~ '{PARTIAL_DATE}'", name="finished_at"),
        Index("uq_entries_anime_id", "user_id", "anime_id", unique=True),
        Index("uq_entries_mal_id", "user_id", "media_type", "mal_id", unique=True),
        Index("uq_entries_anilist_id", "user_id", "media_type", "anilist_id", unique=True),
        Index("ix_entries_newest", "user_id", text("created_at desc"), text("id desc")),
        Index("ix_entries_changed", "user_id", "updated_at"),
        Index("ix_entries_of_anime", "anime_id"),
        Index("ix_entries_unmatched", "media_type", "mal_id", postgresql_where=text("anime_id is null")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    media_type: Mapped[str] = mapped_column(Text)
    anime_id: Mapped[int | None] = mapped_column(ForeignKey("anime.id", ondelete="RESTRICT"))
    mal_id: Mapped[int | None]
    anilist_id: Mapped[int | None]
    title: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text)
    cover_url: Mapped[str | None] = mapped_column(Text)
    format: Mapped[str | None] = mapped_column(Text)
    site_url: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    score: Mapped[int | None] = mapped_column(SmallInteger)
    progress: Mapped[int] = mapped_column(server_default="0")
    volumes: Mapped[int | None]
    max_progress: Mapped[int | None]
    is_rewatching: Mapped[bool] = mapped_column(server_default=text("false"))
    rewatch_count: Mapped[int] = mapped_column(server_default="0")
    started_at: Mapped[str | None] = mapped_column(Text)
    finished_at: Mapped[str | None] = mapped_column(Text)
    notes: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    is_private: Mapped[bool] = mapped_column(server_default=text("false"))
    carried: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    version: Mapped[int] = mapped_column(server_default="1")
    progress_changed_at: Mapped[datetime | None] = mapped_column(server_default=_NOW)
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class TombstoneRow(Base):
    """A deleted entry, kept so that other devices learn of the deletion; ``version`` is its last one."""

    __tablename__ = "entry_tombstones"
    __table_args__ = (Index("ix_entry_tombstones_deleted", "user_id", "deleted_at"),)

    entry_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    media_type: Mapped[str] = mapped_column(Text)
    anime_id: Mapped[int | None]
    version: Mapped[int | None]
    deleted_at: Mapped[datetime] = mapped_column(server_default=func.now())


class EntryChangeRow(Base):
    """One change of an entry; ``before`` is null for an addition, ``after`` for a deletion.

    In those cases the other side is the whole entry, including ``media_type``; for an addition by an import
    only its status and progress. For an edit both sides hold only the fields that changed.
    """

    __tablename__ = "entry_changes"
    __table_args__ = (
        Index("ix_entry_changes_entry", "user_id", "entry_id", text("id desc")),
        Index("ix_entry_changes_anime", "user_id", "anime_id", text("id desc")),
        Index("ix_entry_changes_job_id", "job_id", postgresql_where=text("job_id is not null")),
        Index("ix_entry_changes_newest", "user_id", text("id desc"), postgresql_where=text("job_id is null")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    entry_id: Mapped[int] = mapped_column(BigInteger)
    anime_id: Mapped[int | None]
    origin: Mapped[str] = mapped_column(Text)
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ActivityDayRow(Base):
    """Episodes by which a user's progress in anime increased on one day (UTC), without imports and undos.

    ``public_episodes`` are those of entries that are on the list and not private. Both are kept by triggers
    on ``entry_changes`` and ``entries``.
    """

    __tablename__ = "activity_days"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    episodes: Mapped[int] = mapped_column(BigInteger)
    public_episodes: Mapped[int] = mapped_column(BigInteger)


class FavoriteRow(Base):
    __tablename__ = "favorites"
    __table_args__ = (Index("uq_favorites_user_id", "user_id", "anime_id", unique=True),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    anime_id: Mapped[int] = mapped_column(ForeignKey("anime.id", ondelete="RESTRICT"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class WatchProgressRow(Base):
    """The playback position in an episode; ``reported_at`` is the time of the client's clock."""

    __tablename__ = "watch_progress"
    __table_args__ = (
        CheckConstraint(f"episode between 1 and {MAX_PROGRESS}", name="episode"),
        CheckConstraint(f"position_seconds between 0 and {MAX_POSITION_SECONDS}", name="position_seconds"),
        CheckConstraint("progress_percent between 0 and 100", name="progress_percent"),
        Index("uq_watch_progress_user_id", "user_id", "anime_id", "episode", unique=True),
        Index("ix_watch_progress_latest", "user_id", "last_watched_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    anime_id: Mapped[int] = mapped_column(ForeignKey("anime.id", ondelete="RESTRICT"), index=True)
    episode: Mapped[int]
    position_seconds: Mapped[int | None]
    progress_percent: Mapped[float | None]
    reported_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_watched_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ViewRow(Base):
    """One entry of the viewing history."""

    __tablename__ = "views"
    __table_args__ = (
        CheckConstraint(f"episode between 1 and {MAX_PROGRESS}", name="episode"),
        Index("ix_views_newest", "user_id", text("viewed_at desc"), text("id desc")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    anime_id: Mapped[int] = mapped_column(ForeignKey("anime.id", ondelete="RESTRICT"), index=True)
    episode: Mapped[int]
    release_id: Mapped[int | None]
    viewed_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CollectionRow(Timestamped, Base):
    """A user's collection of anime; ``share_hash`` is the SHA-256 of the secret in its share link.

    ``share_token`` is the secret itself, encrypted; null for links created before it was stored.
    """

    __tablename__ = "collections"
    __table_args__ = (Index("ix_collections_newest", "user_id", text("created_at desc"), text("id desc")),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    is_public: Mapped[bool] = mapped_column(server_default=text("false"))
    share_hash: Mapped[bytes | None] = mapped_column(unique=True)
    share_token: Mapped[bytes | None]


class CollectionItemRow(Base):
    __tablename__ = "collection_items"
    __table_args__ = (Index("ix_collection_items_order", "collection_id", "position", "anime_id"),)

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    anime_id: Mapped[int] = mapped_column(
        ForeignKey("anime.id", ondelete="RESTRICT"), primary_key=True, index=True
    )
    position: Mapped[int]
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ImportRow(Base):
    """An import of a list file, or a dry run: the uploaded file is kept until it is processed.

    ``counts`` is the number of rows per outcome; the report of the rows is in ``import_reports``.
    """

    __tablename__ = "imports"
    __table_args__ = (Index("ix_imports_user_id", "user_id"),)

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    filename: Mapped[str | None] = mapped_column(Text)
    is_dry_run: Mapped[bool] = mapped_column(server_default=text("false"))
    content: Mapped[bytes | None]
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    cancelled_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]


class ImportReportRow(Base):
    """A chunk of an import's report as a JSON array; ``position`` is the number of rows before it."""

    __tablename__ = "import_reports"

    job_id: Mapped[int] = mapped_column(ForeignKey("imports.job_id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rows: Mapped[list[Any]] = mapped_column(JSON)


class IdempotencyRow(Base):
    """The stored response of a POST with an ``Idempotency-Key``; null while the first request runs.

    ``body`` is encrypted. ``owner`` is the running request, which renews ``renewed_at``.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    owner: Mapped[UUID | None]
    renewed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    fingerprint: Mapped[bytes]
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    body: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
