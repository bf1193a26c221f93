"""Relations between titles, as each source states them."""

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class RelationRow(Base):
    """According to ``source``, the title ``to_id`` is the ``type`` of the anime ``from_id``.

    Both are MyAnimeList ids without foreign keys, since manga and titles that are not in the catalogue yet
    can be related too. ``title`` is the name of ``to_id`` if the source gives it.
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
    """The number of relations of a MyAnimeList title, inverses included; denormalised for pages of titles."""

    __tablename__ = "relation_counts"

    mal_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    relations: Mapped[int]
