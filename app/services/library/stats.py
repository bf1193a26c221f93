"""Figures of one person's list."""

from app.repositories.stats import StatsRepository
from app.utils.db.database import Database


class StatsService:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, user_id: int) -> bytes:
        """As JSON, ready to be sent."""
        async with self._db.reader() as connection:
            return await StatsRepository(connection).get(user_id)
