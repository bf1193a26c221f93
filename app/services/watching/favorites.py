"""Favourites."""

from app.errors import Duplicate
from app.repositories.favorites import FavoriteRepository
from app.repositories.library import EntryRepository
from app.schemas.domain.watching import Favorite
from app.services.library import UnknownTitle
from app.utils.db.database import Database


class AlreadyFavorite(Duplicate):
    default_message = "This title is already a favourite."


class FavoriteService:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def list_own(self, user_id: int, *, limit: int, offset: int) -> tuple[list[Favorite], int]:
        """One page, newest first, and the total number."""
        async with self._db.reader() as connection:
            return await FavoriteRepository(connection).list_by_user(user_id, limit=limit, offset=offset)

    async def add(self, user_id: int, anime_id: int) -> Favorite:
        """Add a favourite; raises :class:`AlreadyFavorite` or ``UnknownTitle``."""
        async with self._db.transaction() as tx:
            added = await FavoriteRepository(tx).insert(user_id, anime_id)
            if added is not None:
                return added
            if await EntryRepository(tx).subjects(anime_ids=[anime_id]):
                raise AlreadyFavorite("anime_id")
            raise UnknownTitle

    async def put(self, user_id: int, anime_id: int) -> tuple[Favorite, bool]:
        """Add a favourite; returns it and whether it is new. Raises ``UnknownTitle``."""
        async with self._db.transaction() as tx:
            favorites = FavoriteRepository(tx)
            if added := await favorites.insert(user_id, anime_id):
                return added, True
            if found := await favorites.find(user_id, anime_id):
                return found, False
            raise UnknownTitle

    async def remove(self, user_id: int, anime_id: int) -> None:
        """Remove a favourite; does nothing if it is not one."""
        async with self._db.transaction() as tx:
            await FavoriteRepository(tx).delete(user_id, anime_id)
