"""Where what an upstream said enters the catalogue: one transaction, then word to every process."""

from collections.abc import Awaitable, Callable, Sequence

from app.repositories.catalogue import CatalogueRepository
from app.repositories.refreshes import RefreshRepository
from app.schemas.domain.anime import UpstreamAnime
from app.utils.clock import Clock, utc_now
from app.utils.database import Database

Announce = Callable[[], Awaitable[None]]


class Arrivals:
    """``announce`` tells every process that the catalogue has changed."""

    def __init__(self, db: Database, announce: Announce, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._announce = announce
        self._clock = clock

    async def store(self, titles: Sequence[UpstreamAnime]) -> None:
        """Insert or update the titles, all or none."""
        if not titles:
            return
        async with self._db.transaction() as tx:
            await CatalogueRepository(tx).upsert(titles, synced_at=self._clock())
            tx.after_commit(self._announce)

    async def confirm(self, mal_id: int) -> None:
        """Note that the upstream was asked for a title of ours and has nothing newer: it dropped it."""
        async with self._db.transaction() as tx:
            if await RefreshRepository(tx).confirm(mal_id, synced_at=self._clock()):
                tx.after_commit(self._announce)
