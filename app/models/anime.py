"""The catalogue: one row per title, with its genre and studio ids as arrays."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import PARTIAL_DATE, Base, Timestamped
from app.schemas.limits import MAX_DURATION_MINUTES, MAX_PROGRESS, MIN_DURATION_MINUTES


class AnimeRow(Timestamped, Base):
    """A title. ``dumped_on`` is the date of its last dump; its names are the union of ``anime_names``."""

    __tablename__ = "anime"
    __table_args__ = (
        CheckConstraint("status in ('airing', 'finished', 'upcoming')", name="status"),
        CheckConstraint("season in ('winter', 'spring', 'summer', 'fall')", name="season"),
        CheckConstraint("score > 0 and score <= 10", name="score"),
        CheckConstraint(f"episodes between 1 and {MAX_PROGRESS}", name="episodes"),
        CheckConstraint(
            f"duration_minutes between {MIN_DURATION_MINUTES} and {MAX_DURATION_MINUTES}",
            name="duration_minutes",
        ),
        CheckConstraint(f"aired_from ~ '{PARTIAL_DATE}'", name="aired_from"),
        CheckConstraint(f"aired_to ~ '{PARTIAL_DATE}'", name="aired_to"),
        Index("ix_anime_score", text("score desc nulls last"), "id"),
        Index("ix_anime_score_rising", "score", "id"),
        Index("ix_anime_status_score", "status", text("score desc nulls last"), "id"),
        Index("ix_anime_type_score", "type", text("score desc nulls last"), "id"),
        Index("ix_anime_year_score", "year", text("score desc nulls last"), "id"),
        Index("ix_anime_popularity", "popularity", "id"),
        Index("ix_anime_popularity_falling", text("popularity desc nulls last"), text("id desc")),
        Index("ix_anime_year", "year", "id"),
        Index("ix_anime_year_falling", text("year desc nulls last"), text("id desc")),
        Index("ix_anime_title", "title", "id"),
        Index("ix_anime_updated_at", "updated_at", "id"),
        Index("ix_anime_tag_ids", "tag_ids", postgresql_using="gin"),
        Index(
            "ix_anime_search_text",
            "search_text",
            postgresql_using="gin",
            postgresql_ops={"search_text": "gin_trgm_ops"},
        ),
        Index(
            "ix_anime_title_keys",
            text("title_keys(title, title_english, title_japanese, title_russian, synonyms)"),
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},  # an import looks up thousands of names: no pending list
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    mal_id: Mapped[int | None] = mapped_column(unique=True)
    anilist_id: Mapped[int | None] = mapped_column(unique=True)
    title: Mapped[str] = mapped_column(Text)
    title_english: Mapped[str | None] = mapped_column(Text)
    title_japanese: Mapped[str | None] = mapped_column(Text)
    title_russian: Mapped[str | None] = mapped_column(Text)
    synonyms: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    type: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str | None] = mapped_column(Text)
    season: Mapped[str | None] = mapped_column(Text)
    year: Mapped[int | None]
    episodes: Mapped[int | None]
    duration_minutes: Mapped[float | None]
    rating: Mapped[str | None] = mapped_column(Text)
    score: Mapped[float | None]
    scored_by: Mapped[int | None]
    rank: Mapped[int | None]
    popularity: Mapped[int | None]
    members: Mapped[int | None]
    synopsis: Mapped[str | None] = mapped_column(Text)
    image_url: Mapped[str | None] = mapped_column(Text)
    images: Mapped[dict[str, str | None] | None] = mapped_column(JSONB)
    trailer_url: Mapped[str | None] = mapped_column(Text)
    aired_from: Mapped[str | None] = mapped_column(Text)
    aired_to: Mapped[str | None] = mapped_column(Text)
    broadcast: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    is_adult: Mapped[bool | None]
    tag_ids: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{}")
    studio_ids: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{}")
    dumped_on: Mapped[date | None]
    search_text: Mapped[str] = mapped_column(
        Text,
        Computed(
            "anime_search_text(title, title_english, title_japanese, title_russian, synonyms)", persisted=True
        ),
    )


class AnimeNamesRow(Base):
    """The names a source gives a title; ``synonyms`` is null if the source does not have that field.

    ``dated`` is the date of the dump, or of a manual edit.
    """

    __tablename__ = "anime_names"
    __table_args__ = (
        CheckConstraint("source in ('mal', 'manual', 'dump', 'offline_database')", name="source"),
    )

    anime_id: Mapped[int] = mapped_column(ForeignKey("anime.id", ondelete="CASCADE"), primary_key=True)
    source: Mapped[str] = mapped_column(Text, primary_key=True)
    dated: Mapped[date | None]
    title: Mapped[str] = mapped_column(Text)
    title_english: Mapped[str | None] = mapped_column(Text)
    title_japanese: Mapped[str | None] = mapped_column(Text)
    title_russian: Mapped[str | None] = mapped_column(Text)
    synonyms: Mapped[list[str] | None] = mapped_column(ARRAY(Text))


class AnimeSyncRow(Base):
    """When a title was last fetched from MyAnimeList; narrow, since most refreshes write nothing else."""

    __tablename__ = "anime_syncs"

    anime_id: Mapped[int] = mapped_column(ForeignKey("anime.id", ondelete="CASCADE"), primary_key=True)
    synced_at: Mapped[datetime] = mapped_column(index=True)


class GenreRow(Base):
    """A genre, theme or demographic, referenced by ``AnimeRow.tag_ids``."""

    __tablename__ = "genres"
    __table_args__ = (
        CheckConstraint("kind in ('genre', 'theme', 'demographic')", name="kind"),
        Index("uq_genres_kind_name", "kind", text("lower(name)"), unique=True),
        Index("uq_genres_kind_mal_id", "kind", "mal_id", unique=True),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    mal_id: Mapped[int | None]


class StudioRow(Base):
    __tablename__ = "studios"
    __table_args__ = (Index("uq_studios_name", text("lower(name)"), unique=True),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    mal_id: Mapped[int | None] = mapped_column(unique=True)


class CatalogueVersionRow(Base):
    """One row, incremented by triggers on every statement that writes ``anime``, ``genres`` or ``studios``.

    ``labels`` is incremented by writes of ``genres``.
    """

    __tablename__ = "catalogue_version"
    __table_args__ = (CheckConstraint("id", name="single"),)

    id: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    version: Mapped[int] = mapped_column(BigInteger, server_default="0")
    labels: Mapped[int] = mapped_column(BigInteger, server_default="0")
