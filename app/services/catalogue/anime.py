"""The catalogue: pages, single titles, genres, search, titles added by hand."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from cachetools import LRUCache

from app.errors import Invalid, NotFound
from app.repositories.anime import AnimeRepository, GenreIndex, has_trigrams
from app.repositories.catalogue import CatalogueRepository
from app.schemas.domain.anime import AnimePage, StoredAnime, TagKind, UpstreamTag
from app.schemas.domain.catalogue import ANIME_KEYS, AnimeSort, CatalogueFilter, NewAnime, PageSpec
from app.utils.db.database import Database

Publish = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Total:
    version: int
    titles: int


class AnimeService:
    """``publish`` tells every process that the catalogue has changed.

    Cached totals are validated on each use: the statement that reads a page compares the catalogue's version
    with that of the cached total, and counts if they differ. ``app.utils.cache``, which trusts a copy for a
    time and asks a source beyond it, could not do that in the statement.
    """

    def __init__(self, db: Database, publish: Publish, *, totals_kept: int = 5000) -> None:
        self._db = db
        self._publish = publish
        self._totals: LRUCache[CatalogueFilter, _Total] = LRUCache(totals_kept)
        self._book = GenreIndex()

    async def list(self, wanted: CatalogueFilter, sort: AnimeSort, part: PageSpec) -> AnimePage:
        """A page of the matching titles.

        If a search finds nothing, the page has suggestions for the query.
        """
        async with self._db.driver() as driver:
            repository = AnimeRepository(driver)
            page = await self._page(repository, wanted, sort, part)
            if wanted.search is None:
                return page
            hidden = await repository.count_hidden(wanted, genres=self._book) if wanted.sfw else 0
            if page.total or hidden:
                return AnimePage(page.body, page.total, hidden)
            meant = await repository.page_of_inexact(wanted, wanted.search, sort, part, genres=self._book)
        return AnimePage(meant.body, meant.total or 0)

    async def search(self, query: str, part: PageSpec, *, safe: bool = False) -> AnimePage:
        """The best matching titles, including those that match except for a typing mistake.

        ``safe`` hides adult titles and counts them.
        """
        async with self._db.driver(fresh_plans=not has_trigrams(query)) as driver:
            return await AnimeRepository(driver).search(query, part, safe=safe)

    async def get(self, anime_id: int, keys: tuple[str, ...] = ANIME_KEYS) -> StoredAnime:
        async with self._db.driver(fresh_plans=None) as driver:
            anime = await AnimeRepository(driver).find(anime_id, keys)
        if anime is None:
            raise NotFound(f"There is no anime {anime_id}.")
        return anime

    async def genres(self, kind: TagKind | None, *, sfw: bool = False) -> bytes:
        """All genres or those of one kind; ``sfw`` ignores adult titles, and genres that only those have."""
        async with self._db.driver(fresh_plans=None) as driver:
            return await AnimeRepository(driver).genres(kind, sfw=sfw)

    async def create(self, new: NewAnime) -> StoredAnime:
        """Add a title. Raises :class:`Conflict` with the ``id`` of an existing one."""
        anime = new.stated(await self._tags_by_id(new.tag_ids))
        async with self._db.transaction() as tx:
            anime_id = await CatalogueRepository(tx).create(anime)
            tx.after_commit(self._publish)
        return await self.get(anime_id)

    async def _page(
        self, repository: AnimeRepository, wanted: CatalogueFilter, sort: AnimeSort, part: PageSpec
    ) -> AnimePage:
        while True:
            known = self._totals.get(wanted)
            version = None if known is None else known.version
            read = await repository.page(wanted, sort, part, genres=self._book, known_version=version)
            if not wanted.names_genres or read.labels == self._book.version:
                break
            self._book = await repository.genre_index()
        if read.total is None and known is not None:
            return AnimePage(read.body, known.titles)
        total = read.total or 0
        self._totals[wanted] = _Total(read.version, total)
        return AnimePage(read.body, total)

    async def _tags_by_id(self, ids: Sequence[int]) -> dict[int, UpstreamTag]:
        """The stored tags; raises :class:`Invalid` for an unknown id."""
        if not ids:
            return {}
        async with self._db.driver() as driver:
            tags = await AnimeRepository(driver).tags(ids)
        if unknown := sorted(set(ids) - tags.keys()):
            raise Invalid.fields({"genres": [f"There is no genre {unknown[0]}."]})
        return tags
