"""What a person could watch next."""

from app.errors import NotFound
from app.repositories.accounts import AccountRepository
from app.repositories.recommendations import RecommendationRepository
from app.utils.db.database import Database


class RecommendationService:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, user_id: int, *, limit: int) -> bytes:
        """Titles that are not on the person's list, the best first, as JSON ready to be sent."""
        async with self._db.driver() as driver:
            return await RecommendationRepository(driver).list_for(user_id, limit=limit)

    async def list_for_username(self, username: str, *, limit: int) -> bytes:
        """The same by a user name in any case; raises ``NotFound`` where nobody has it."""
        async with self._db.reader() as connection:
            account = await AccountRepository(connection).find_by_username(username)
        if account is None:
            raise NotFound(f"There is no account {username}.")
        return await self.list(account.id, limit=limit)
