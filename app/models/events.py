"""Durable events: what happened, in commit order."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class EventRow(Base):
    """Rows are inserted under a lock that is held until the commit, so that ``id`` is a cursor.

    A reader who has seen an id will never see a smaller one appear later.
    """

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    dedup_key: Mapped[str | None] = mapped_column(Text, unique=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    stored_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), index=True)
