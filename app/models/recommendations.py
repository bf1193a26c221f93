"""Recommendation models, their training data and results, and the titles users ignore."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, REAL
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class RecommendationModelRow(Base):
    """A fitted model; the newest is served. ``facts`` describes the data it was fitted from."""

    __tablename__ = "recommendation_models"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    fitted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    content: Mapped[bytes] = mapped_column(LargeBinary)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)


class OpenRatingsRow(Base):
    """The packed lists of an open dump, which every fit uses in addition to our own lists."""

    __tablename__ = "open_ratings"
    __table_args__ = (CheckConstraint("id", name="single"),)

    id: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    name: Mapped[str] = mapped_column(Text)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    loaded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SimilarTitlesRow(Base):
    """The most similar titles, best first; ``together`` is the part of each score that is due to lists."""

    __tablename__ = "similar_titles"

    anime_id: Mapped[int] = mapped_column(ForeignKey("anime.id", ondelete="CASCADE"), primary_key=True)
    similar_ids: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    scores: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    together: Mapped[list[float]] = mapped_column(ARRAY(REAL))


class IgnoredRecommendationRow(Base):
    """A title that a user does not want recommended."""

    __tablename__ = "ignored_recommendations"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    anime_id: Mapped[int] = mapped_column(
        ForeignKey("anime.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
