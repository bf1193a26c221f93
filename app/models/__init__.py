"""Tables."""

from app.models.accounts import SessionRow, UserRow
from app.models.anime import AnimeRow, CatalogueVersionRow, GenreRow, StudioRow
from app.models.base import Base
from app.models.jobs import JobRow, ScheduleRow

__all__ = [
    "AnimeRow",
    "Base",
    "CatalogueVersionRow",
    "GenreRow",
    "JobRow",
    "ScheduleRow",
    "SessionRow",
    "StudioRow",
    "UserRow",
]
