"""Releases and their episodes for the core surface, from the rows that all surfaces share."""

from app.errors import NotFound
from app.repositories.releases import ReleaseRepository
from app.schemas.domain.releases import Episode, Release, ReleaseFilter, ReleasePage
from app.utils.db.database import Database


class ReleaseService:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(self, wanted: ReleaseFilter, *, limit: int, offset: int) -> ReleasePage:
        """A page of the matching releases, most recently changed first."""
        async with self._db.reader() as connection:
            return await ReleaseRepository(connection).list_page(
                wanted, sort="updated", descending=True, limit=limit, offset=offset
            )

    async def get(self, release_id: int) -> Release:
        async with self._db.reader() as connection:
            release = await ReleaseRepository(connection).find(release_id)
        if release is None:
            raise NotFound(f"There is no release {release_id}.")
        return release

    async def episodes(self, release_id: int, *, limit: int, offset: int) -> tuple[list[Episode], int]:
        """A page of the episodes of a release in the order of the source, and their total number."""
        async with self._db.reader() as connection:
            found = await ReleaseRepository(connection).list_episodes(release_id, limit=limit, offset=offset)
        if found is None:
            raise NotFound(f"There is no release {release_id}.")
        return found

    async def count(self) -> int:
        """The number of stored releases."""
        async with self._db.reader() as connection:
            return await ReleaseRepository(connection).count()
