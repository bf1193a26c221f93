"""Search for titles to add to a list, at AniList and MangaDex, with the catalogue as a fallback."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from app.errors import NotFound, RateLimited, UpstreamFailure
from app.external.anilist.client import AniListClient
from app.external.mangadex.client import MangaDexClient
from app.repositories.library import NamedTitleRepository
from app.repositories.sources import SourceRepository
from app.schemas.domain.catalogue import PageSpec
from app.schemas.domain.library import MediaType
from app.schemas.domain.media import UpstreamMedia
from app.schemas.domain.sources import Suggestion
from app.services.catalogue.anime import AnimeService
from app.services.catalogue.cached_calls import CachedCalls
from app.services.catalogue.staleness import SUGGESTIONS_FOR
from app.utils.db.database import Database

MAX_SUGGESTIONS = 8
_MIN_LETTERS = 2
_KEYS = ("id", "title", "type", "episodes", "image_url", "mal_id", "anilist_id")
_UPSTREAM_DOWN = (UpstreamFailure, RateLimited, NotFound)


class SourceService:
    """``client`` identifies the requester for its quota of upstream calls."""

    def __init__(
        self,
        db: Database,
        anime: AnimeService,
        anilist: AniListClient,
        mangadex: MangaDexClient,
        *,
        anilist_calls: CachedCalls,
        mangadex_calls: CachedCalls,
    ) -> None:
        self._db = db
        self._anime = anime
        self._anilist = anilist
        self._mangadex = mangadex
        self._anilist_calls = anilist_calls
        self._mangadex_calls = mangadex_calls

    async def cache_counts(self) -> dict[str, int]:
        """Cache hits and misses of the AniList searches."""
        return await self._anilist_calls.counts()

    async def search(self, words: str, media_type: MediaType | None, *, limit: int = 20) -> list[Suggestion]:
        """Titles of the catalogue, best match first; without ``media_type`` anime, then manga."""
        if len(words) < _MIN_LETTERS:
            return []
        found: list[Suggestion] = []
        if media_type != "manga":
            page = await self._anime.search(words, PageSpec(limit=limit, offset=0, keys=_KEYS))
            found += [_of_catalogue(row) for row in orjson.loads(page.body)]
        if media_type != "anime":
            async with self._db.reader() as connection:
                found += await SourceRepository(connection).search_manga(words, limit=limit)
        return found

    async def autocomplete(self, words: str, media_type: MediaType, *, client: str) -> list[Suggestion]:
        """Suggestions of AniList, or of the catalogue if AniList fails or finds nothing."""
        if len(words) < _MIN_LETTERS:
            return []
        try:
            found = await self._ask_anilist(words, media_type, client)
        except _UPSTREAM_DOWN:
            found = []
        return found or await self.search(words, media_type, limit=MAX_SUGGESTIONS)

    async def search_mangadex(self, words: str, *, client: str) -> list[Suggestion]:
        """Search MangaDex. Raises an ``UpstreamFailure``, or ``RateLimited``."""
        if len(words) < _MIN_LETTERS:
            return []

        async def ask() -> list[dict[str, Any]]:
            return [asdict(one) for one in await self._mangadex.search(words, limit=20)]

        answer = await self._mangadex_calls.answer(
            f"search:{words.casefold()}", ask, ttl=SUGGESTIONS_FOR, client=client
        )
        return [Suggestion(**row) for row in orjson.loads(answer.body)]

    async def total(self, user_id: int, words: str, media_type: MediaType, *, client: str) -> int | None:
        """The number of episodes or chapters of a title: from the user's list, the catalogue, or AniList.

        None if it is unknown.
        """
        async with self._db.transaction() as tx:
            sources = SourceRepository(tx)
            found = await sources.find_total(user_id, words, media_type)
            if found is None and media_type == "manga":
                found = await sources.find_manga_total(words)
            if found is None and media_type == "anime":
                named = (await NamedTitleRepository(tx).list_named([words])).get(words, [])
                totals = (title.subject.total for title in named)
                found = next((total for total in totals if total is not None), None)
        if found is not None or len(words) < _MIN_LETTERS:
            return found
        try:
            return _first_total(await self._ask_anilist(words, media_type, client))
        except _UPSTREAM_DOWN:
            return _first_total(await self.search(words, media_type, limit=1))

    async def _ask_anilist(self, words: str, media_type: MediaType, client: str) -> list[Suggestion]:
        async def ask() -> list[dict[str, Any]]:
            found = await self._anilist.search(words, media_type, limit=MAX_SUGGESTIONS)
            return [asdict(_of_anilist(media)) for media in found]

        answer = await self._anilist_calls.answer(
            f"search:{media_type}:{words.casefold()}", ask, ttl=SUGGESTIONS_FOR, client=client
        )
        return [Suggestion(**row) for row in orjson.loads(answer.body)]


def _first_total(found: Sequence[Suggestion]) -> int | None:
    return found[0].total if found else None


def _of_anilist(media: UpstreamMedia) -> Suggestion:
    manga = media.media_type == "manga"
    return Suggestion(
        id=str(media.anilist_id),
        source="anilist",
        title=media.title,
        media_type=media.media_type,
        cover_url=media.image_url,
        chapters=media.total if manga else None,
        episodes=None if manga else media.total,
        anilist_id=media.anilist_id,
        mal_id=media.mal_id,
        format=media.format,
        site_url=media.site_url,
    )


def _of_catalogue(row: dict[str, Any]) -> Suggestion:
    return Suggestion(
        id=str(row["id"]),
        source="catalogue",
        title=row["title"],
        media_type="anime",
        cover_url=row["image_url"],
        episodes=row["episodes"],
        anime_id=row["id"],
        anilist_id=row["anilist_id"],
        mal_id=row["mal_id"],
        format=row["type"],
    )
