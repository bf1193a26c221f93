"""Statistics of a user's list."""

from app.errors import NotFound
from app.repositories.accounts import AccountRepository
from app.repositories.stats import StatsRepository
from app.utils.db.database import Database


class NoPublicList(NotFound):
    default_message = "This account has no public list."


class StatsService:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def get_public(self, user_id: int) -> bytes:
        """The statistics of another user's list without private entries; raises :class:`NoPublicList`."""
        async with self._db.reader() as connection:
            if not await AccountRepository(connection).has_public_list(user_id):
                raise NoPublicList
            return await StatsRepository(connection).get(user_id, public=True)

    async def get(self, user_id: int) -> bytes:
        """The statistics as JSON bytes."""
        async with self._db.reader() as connection:
            return await StatsRepository(connection).get(user_id)
