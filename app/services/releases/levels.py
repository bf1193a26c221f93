"""The last cache level of releases: rows in PostgreSQL, which survive restarts of Redis and the processes."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from app.repositories.releases import AnswerRepository, ReleaseRepository
from app.schemas.anilibria.title import render_title
from app.utils.cache import CacheEntry
from app.utils.db.database import Database, DatabaseUnavailable

LEVEL = "l3"
TTL = 24 * 3600.0  # seconds


class TitleLevel:
    """A release with its episodes. Nothing to store here: whoever fetches a release stores its rows."""

    name = LEVEL
    ttl = TTL

    def __init__(self, db: Database, external_id: int) -> None:
        self._db = db
        self._external_id = external_id

    async def find(self, key: str) -> CacheEntry | None:
        try:
            async with self._db.reader() as connection:
                release = await ReleaseRepository(connection).find_external(self._external_id)
        except DatabaseUnavailable:
            return None
        if release is None or release.detailed_at is None:
            return None
        return CacheEntry(render_title(release), release.fetched_at.timestamp())

    async def store(self, key: str, entry: CacheEntry) -> None:
        return

    async def drop(self, pattern: str) -> None:
        return


class AnswerLevel:
    """Responses that have no rows of their own, stored as they are."""

    name = LEVEL
    ttl = TTL

    def __init__(self, db: Database) -> None:
        self._db = db

    async def find(self, key: str) -> CacheEntry | None:
        try:
            async with self._db.reader() as connection:
                found = await AnswerRepository(connection).find(key)
        except DatabaseUnavailable:
            return None
        return None if found is None else CacheEntry(found[0], found[1].timestamp())

    async def store(self, key: str, entry: CacheEntry) -> None:
        if entry.body is None:
            return
        fetched_at = datetime.fromtimestamp(entry.fetched_at, UTC)
        try:
            async with self._db.transaction() as tx:
                await AnswerRepository(tx.session).keep(key, entry.body, fetched_at=fetched_at)
        except DatabaseUnavailable:
            return

    async def drop(self, pattern: str) -> None:
        try:
            async with self._db.transaction() as tx:
                await AnswerRepository(tx.session).delete([_like(pattern)])
        except DatabaseUnavailable:
            return


class QueryLevel:
    """The result of a query on the mirrored releases, as old as the last update of the mirror."""

    name = LEVEL
    ttl = TTL

    def __init__(self, load: Callable[[], Awaitable[CacheEntry | None]]) -> None:
        self._load = load

    async def find(self, key: str) -> CacheEntry | None:
        try:
            return await self._load()
        except DatabaseUnavailable:
            return None

    async def store(self, key: str, entry: CacheEntry) -> None:
        return

    async def drop(self, pattern: str) -> None:
        return


def _like(pattern: str) -> str:
    """Convert a pattern with ``*`` to one for LIKE."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")
