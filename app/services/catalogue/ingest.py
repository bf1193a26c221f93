"""Store titles fetched from an upstream, and publish the change to all processes."""

from collections.abc import Sequence
from functools import partial

from app.repositories.catalogue import CatalogueRepository
from app.repositories.refreshes import RefreshRepository
from app.schemas.domain.anime import UpstreamAnime
from app.services.catalogue.events import Announcer
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database


class CatalogueIngest:
    """``announcer`` publishes changes to all processes; unchanged titles are not published."""

    def __init__(self, db: Database, announcer: Announcer, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._announcer = announcer
        self._clock = clock

    async def store(self, titles: Sequence[UpstreamAnime]) -> None:
        """Insert or update the titles in one transaction."""
        if not titles:
            return
        async with self._db.transaction() as tx:
            stored = await CatalogueRepository(tx).upsert(titles, synced_at=self._clock())
            if stored.added:
                tx.after_commit(self._announcer.publish)
            elif stored.updated:
                tx.after_commit(partial(self._announcer.announce_updates, stored.updated))

    async def touch(self, mal_id: int) -> None:
        """Record a sync of a stored title that the upstream no longer has."""
        async with self._db.transaction() as tx:
            await RefreshRepository(tx).touch(mal_id, synced_at=self._clock())
