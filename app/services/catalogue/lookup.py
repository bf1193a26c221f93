"""A title by its MyAnimeList id, cache-aside: served from the catalogue, or fetched and stored first."""

from app.errors import NotFound
from app.external.jikan.client import JikanClient
from app.repositories.anime import AnimeRepository
from app.schemas.domain.anime import StoredAnime
from app.schemas.domain.cached import CachedAnswer
from app.schemas.domain.catalogue import ANIME_KEYS
from app.services.catalogue.coalescing import RequestCoalescer
from app.services.catalogue.ingest import CatalogueIngest
from app.services.catalogue.negative_cache import NegativeCache
from app.services.catalogue.refresh_queue import RefreshQueue
from app.services.catalogue.staleness import age_in_seconds, is_fresh
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database
from app.utils.metrics import CACHE_REQUESTS


class CatalogueLookup:
    """``client`` identifies the requester for its quota of upstream calls."""

    def __init__(
        self,
        db: Database,
        jikan: JikanClient,
        *,
        ingest: CatalogueIngest,
        refresh_queue: RefreshQueue,
        absent: NegativeCache,
        coalescer: RequestCoalescer,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self._jikan = jikan
        self._ingest = ingest
        self._refresh_queue = refresh_queue
        self._absent = absent
        self._coalescer = coalescer
        self._clock = clock

    async def get(self, mal_id: int, keys: tuple[str, ...] = ANIME_KEYS, *, client: str) -> CachedAnswer:
        """The title from the catalogue, even if stale, otherwise from MyAnimeList, reduced to ``keys``.

        Raises :class:`NotFound` if MyAnimeList does not have it, and the errors of ``RequestCoalescer.make``.
        """
        answer = await self._answer(mal_id, keys, client)
        CACHE_REQUESTS.labels("mal", answer.state).inc()
        return answer

    async def _answer(self, mal_id: int, keys: tuple[str, ...], client: str) -> CachedAnswer:
        stored = await self._find(mal_id, keys)
        if stored is not None:
            return self._serve(mal_id, stored)
        await self._absent.check(mal_id)
        body = await self._coalescer.make(
            f"mal:{mal_id}",
            look=lambda: self._read_body(mal_id),
            call=lambda: self._fetch(mal_id),
            client=client,
        )
        if keys != ANIME_KEYS:  # the shared result has all keys, whichever a client wants
            body = (await self._get(mal_id, keys)).body
        return CachedAnswer(body, "miss", 0)

    def _serve(self, mal_id: int, stored: StoredAnime) -> CachedAnswer:
        now = self._clock()
        age = age_in_seconds(stored.synced_at, now)
        if is_fresh(stored.status, stored.synced_at, now):
            return CachedAnswer(stored.body, "hit", age)
        self._refresh_queue.request(mal_id)
        return CachedAnswer(stored.body, "stale", age)

    async def _read_body(self, mal_id: int) -> bytes | None:
        await self._absent.check(mal_id)
        stored = await self._find(mal_id)
        return None if stored is None else stored.body

    async def _fetch(self, mal_id: int) -> bytes:
        try:
            title = await self._jikan.get_anime(mal_id)
        except NotFound:
            raise await self._absent.note(mal_id) from None
        await self._ingest.store([title])
        return (await self._get(mal_id)).body

    async def _get(self, mal_id: int, keys: tuple[str, ...] = ANIME_KEYS) -> StoredAnime:
        stored = await self._find(mal_id, keys)
        if stored is None:
            raise NotFound(f"Anime {mal_id} was deleted just now.")
        return stored

    async def _find(self, mal_id: int, keys: tuple[str, ...] = ANIME_KEYS) -> StoredAnime | None:
        async with self._db.driver() as driver:
            return await AnimeRepository(driver).find_by_mal_id(mal_id, keys)
