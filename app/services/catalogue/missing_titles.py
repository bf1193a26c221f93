"""Ids that MyAnimeList was asked for and has no title of; remembered for a while."""

from app.errors import NotFound
from app.services.catalogue.staleness import ABSENT_FOR, jittered
from app.utils.redis.negative_cache import NegativeCache


class MissingTitles:
    def __init__(self, absences: NegativeCache) -> None:
        self._absences = absences

    async def check(self, mal_id: int) -> None:
        """Raise :class:`NotFound` if MyAnimeList denied this id a short while ago."""
        if await self._absences.known(str(mal_id)):
            raise _absent(mal_id)

    async def note(self, mal_id: int) -> NotFound:
        """Remember that MyAnimeList denies this id; the answer is what to raise."""
        await self._absences.note(str(mal_id), jittered(ABSENT_FOR))
        return _absent(mal_id)

    async def forget(self, mal_id: int) -> None:
        """It has one after all."""
        await self._absences.forget(str(mal_id))


def _absent(mal_id: int) -> NotFound:
    return NotFound(f"MyAnimeList has no anime {mal_id}.")
