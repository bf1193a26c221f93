"""MyAnimeList ids without a title, remembered for a while."""

from app.errors import NotFound
from app.services.catalogue.staleness import ABSENT_FOR, jittered
from app.utils.redis.negative_cache import NegativeCache


class MissingTitles:
    def __init__(self, absences: NegativeCache) -> None:
        self._absences = absences

    async def check(self, mal_id: int) -> None:
        """Raise :class:`NotFound` if MyAnimeList recently had no title with this id."""
        if await self._absences.known(str(mal_id)):
            raise _absent(mal_id)

    async def note(self, mal_id: int) -> NotFound:
        """Remember that MyAnimeList has no title with this id; returns the error to raise."""
        await self._absences.note(str(mal_id), jittered(ABSENT_FOR))
        return _absent(mal_id)

    async def forget(self, mal_id: int) -> None:
        """Forget the id, which has a title after all."""
        await self._absences.forget(str(mal_id))


def _absent(mal_id: int) -> NotFound:
    return NotFound(f"MyAnimeList has no anime {mal_id}.")
