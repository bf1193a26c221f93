"""Statistics of a user's list."""

from app.repositories.stats import StatsRepository
from app.utils.db.database import Database


class StatsService:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, user_id: int) -> bytes:
        """The statistics as JSON bytes."""
        async with self._db.reader() as connection:
            return await StatsRepository(connection).get(user_id)
