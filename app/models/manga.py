"""Manga from dumps."""

from sqlalchemy import Computed, Identity, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Timestamped


class MangaRow(Timestamped, Base):
    """A manga; ``search_text`` has all its names, normalised for the search."""

    __tablename__ = "manga"
    __table_args__ = (
        Index("uq_manga_mal_id", "mal_id", unique=True),
        Index("uq_manga_anilist_id", "anilist_id", unique=True, postgresql_where=text("mal_id is null")),
        Index(
            "ix_manga_search_text",
            "search_text",
            postgresql_using="gin",
            postgresql_ops={"search_text": "gin_trgm_ops"},
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    mal_id: Mapped[int | None]
    anilist_id: Mapped[int | None]
    title: Mapped[str] = mapped_column(Text)
    names: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    format: Mapped[str | None] = mapped_column(Text)
    image_url: Mapped[str | None] = mapped_column(Text)
    chapters: Mapped[int | None]
    volumes: Mapped[int | None]
    members: Mapped[int | None]
    search_text: Mapped[str] = mapped_column(
        Text, Computed("anime_search_text(title, null, null, null, names)", persisted=True)
    )
