"""Relations between titles, as each source states them."""

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class RelationRow(Base):
    """The title ``to_id`` is the ``type`` of the anime ``from_id``, says ``source``.

    Both are ids of MyAnimeList, and no foreign keys: manga and titles that the catalogue does not have yet
    are related too. ``title`` is the name of ``to_id`` where the source told it.
    """

    __tablename__ = "anime_relations"
    __table_args__ = (
        CheckConstraint("from_id > 0 and to_id > 0", name="ids"),
        CheckConstraint("media_type in ('anime', 'manga')", name="media_type"),
        Index("ix_anime_relations_to_id", "to_id", postgresql_where=text("media_type = 'anime'")),
    )

    from_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    media_type: Mapped[str] = mapped_column(Text, primary_key=True)
    to_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(Text, primary_key=True)
    source: Mapped[str] = mapped_column(Text, primary_key=True)
    title: Mapped[str | None] = mapped_column(Text)


class RelationCountRow(Base):
    """How many relations a title of MyAnimeList has, inverses included; every page of titles shows it."""

    __tablename__ = "relation_counts"

    mal_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    relations: Mapped[int]
