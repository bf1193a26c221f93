"""Releases of a source and their episodes, stored upstream responses, and the state of polling."""

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Double,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class ReleaseRow(Base):
    """``external_id`` is the id at the source.

    ``detailed_at`` is null while only a summary is stored; ``latest_ordinal`` is the greatest episode number
    ever seen, ``seen_ordinals`` are all of them; ``followed_at`` is the last processed change, by the
    source's clock.
    """

    __tablename__ = "releases"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        CheckConstraint("status in ('airing', 'finished', 'upcoming')", name="status"),
        CheckConstraint("season in ('winter', 'spring', 'summer', 'fall')", name="season"),
        CheckConstraint("publish_day between 1 and 7", name="publish_day"),
        Index("ix_releases_fresh_at", "fresh_at"),
        Index("ix_releases_favorites", "favorites"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    source: Mapped[str] = mapped_column(Text, server_default="anilibria")
    external_id: Mapped[int]
    alias: Mapped[str | None] = mapped_column(Text)
    name_ru: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str | None] = mapped_column(Text)
    name_alternative: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default="")
    type: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    year: Mapped[int | None]
    season: Mapped[str | None] = mapped_column(Text)
    episodes_total: Mapped[int | None]
    poster_small: Mapped[str | None] = mapped_column(Text)
    poster_medium: Mapped[str | None] = mapped_column(Text)
    poster_large: Mapped[str | None] = mapped_column(Text)
    favorites: Mapped[int] = mapped_column(server_default="0")
    publish_day: Mapped[int | None]
    age_rating: Mapped[str | None] = mapped_column(Text)
    notification: Mapped[str | None] = mapped_column(Text)
    external_player: Mapped[str | None] = mapped_column(Text)
    episode_minutes: Mapped[int | None]
    blocked: Mapped[bool] = mapped_column(server_default="false")
    fresh_at: Mapped[datetime | None]
    added_at: Mapped[datetime | None]
    updated_at: Mapped[datetime | None]
    genres: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    latest_ordinal: Mapped[float | None]
    seen_ordinals: Mapped[list[float]] = mapped_column(ARRAY(Double), server_default="{}")
    anime_id: Mapped[int | None] = mapped_column(ForeignKey("anime.id", ondelete="SET NULL"), index=True)
    link_confidence: Mapped[float | None]
    link_tried_at: Mapped[datetime | None]
    fetched_at: Mapped[datetime]
    detailed_at: Mapped[datetime | None]
    followed_at: Mapped[datetime | None]


class EpisodeRow(Base):
    """``ordinal`` may be a fraction; ``sort_order`` is the position in the source's list."""

    __tablename__ = "episodes"
    __table_args__ = (UniqueConstraint("release_id", "external_id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    release_id: Mapped[int] = mapped_column(ForeignKey("releases.id", ondelete="CASCADE"))
    external_id: Mapped[str] = mapped_column(Text)
    ordinal: Mapped[float]
    name: Mapped[str | None] = mapped_column(Text)
    name_english: Mapped[str | None] = mapped_column(Text)
    preview: Mapped[str | None] = mapped_column(Text)
    duration: Mapped[int | None]
    sources: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    rutube_id: Mapped[str | None] = mapped_column(Text)
    youtube_id: Mapped[str | None] = mapped_column(Text)
    opening: Mapped[list[int | None] | None] = mapped_column(JSONB)
    ending: Mapped[list[int | None] | None] = mapped_column(JSONB)
    sort_order: Mapped[int]
    updated_at: Mapped[datetime | None]


class UpstreamAnswerRow(Base):
    """A stored upstream response: the last level of the cache, for data without tables of its own."""

    __tablename__ = "upstream_answers"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    fetched_at: Mapped[datetime] = mapped_column(index=True)


class PollRow(Base):
    """How far the releases of a source have been polled; locked while it is being advanced."""

    __tablename__ = "release_polls"

    source: Mapped[str] = mapped_column(Text, primary_key=True)
    polled_at: Mapped[datetime | None]
    mirrored_at: Mapped[datetime | None]
