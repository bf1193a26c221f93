"""Recommendations for a user, and titles similar to a title."""

import asyncio
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from cachetools import LRUCache

from app.errors import NotFound
from app.repositories.accounts import AccountRepository
from app.repositories.recommendations import (
    GenreRecommendations,
    IgnoredRepository,
    ServingRepository,
    SimilarRepository,
    UserList,
)
from app.schemas.domain.recommendations import RecommendationMode, RecommendationSpec, Recommended, Stamp
from app.services.library import UnknownTitle
from app.utils.db.database import Database

if TYPE_CHECKING:
    from app.services.recommendations.fitted import Model
    from app.services.recommendations.personal import Personal

_MAX_CACHED = 256  # users; the recommendations for a list of 5,000 take 100 KB
_MIN_TITLES = 100  # if fewer titles are recommended, popular and new ones are appended
_ATTEMPTS = 3  # attempts, if the list changes meanwhile
_SPARE = 10  # additional candidates, for those that may no longer be shown

_Key = tuple[int, RecommendationMode | None, float, bool]


@dataclass(frozen=True)
class _CachedRanking:
    stamp: Stamp
    personal: "Personal | None"
    """None if there is nothing to recommend."""
    adult: bool


class RecommendationService:
    """Rankings are cached until the list, the model or the ignored titles change.

    The statement that reads the titles also returns the current :class:`Stamp` of these, which is compared.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._cache: LRUCache[_Key, _CachedRanking] = LRUCache(_MAX_CACHED)
        self._model: tuple[int, Model] | None = None
        self._loading = asyncio.Lock()

    async def list(self, user_id: int, wanted: RecommendationSpec) -> bytes:
        """Recommended titles that are not on the user's list, best first, as JSON ready to send."""
        if wanted.algo == "genres":
            async with self._db.driver(fresh_plans=None) as driver:
                return await GenreRecommendations(driver).list_for(user_id, wanted)
        key = (user_id, wanted.mode, wanted.diversity, wanted.sfw)
        async with self._db.driver(fresh_plans=None) as driver:
            repository = ServingRepository(driver)
            cached = self._cache.get(key)
            stamp = await repository.stamp(user_id) if cached is None else cached.stamp
            body = b""
            # The stamp that is read together with the titles shows whether the ranking is still current.
            for _ in range(_ATTEMPTS):
                if stamp.model_id is None and stamp.listed_at is not None:
                    return await GenreRecommendations(driver).list_for(user_id, wanted)
                if cached is None or cached.stamp != stamp:
                    cached = self._cache[key] = await self._compute(repository, user_id, stamp, wanted)
                chosen = await _select(cached.personal, wanted)
                stamp, body = await repository.render(
                    user_id, chosen, wanted.keys, limit=wanted.limit, adult=cached.adult
                )
                if stamp == cached.stamp:
                    break
        return body

    async def list_for_username(self, username: str, wanted: RecommendationSpec) -> bytes:
        """The same for a user name in any case; raises ``NotFound`` if there is no such account."""
        async with self._db.reader() as connection:
            account = await AccountRepository(connection).find_by_username(username)
        if account is None:
            raise NotFound(f"There is no account {username}.")
        return await self.list(account.id, wanted)

    async def similar(self, anime_id: int, *, limit: int, sfw: bool) -> bytes:
        """Titles similar to this one as JSON, most similar first. Raises ``NotFound``."""
        async with self._db.driver(fresh_plans=None) as driver:
            found = await SimilarRepository(driver).list_for(anime_id, limit=limit, sfw=sfw)
        if found is None:
            raise NotFound(f"There is no anime {anime_id}.")
        return found

    async def ignore(self, user_id: int, anime_id: int) -> None:
        """Never recommend the title to this user again. Raises ``UnknownTitle``."""
        async with self._db.transaction() as tx:
            if not await IgnoredRepository(tx).insert(user_id, anime_id):
                raise UnknownTitle

    async def stop_ignoring(self, user_id: int, anime_id: int) -> None:
        async with self._db.transaction() as tx:
            await IgnoredRepository(tx).delete(user_id, anime_id)

    async def _compute(
        self, repository: ServingRepository, user_id: int, stamp: Stamp, wanted: RecommendationSpec
    ) -> _CachedRanking:
        model = await self._load_model(repository, stamp.model_id)
        own = await repository.list_of(user_id)
        adult = own.has_adult and not wanted.sfw
        personal = None if model is None else await asyncio.to_thread(_rank, model, own, wanted)
        if wanted.mode != "continue" and (personal is None or len(personal) < _MIN_TITLES):
            others = _interleave(*await repository.well_known(user_id, adult=adult))
            personal = await asyncio.to_thread(_append, personal, others)
        return _CachedRanking(stamp, personal, adult)

    async def _load_model(self, repository: ServingRepository, model_id: int | None) -> "Model | None":
        """The stored model, loaded once per process; None if there is none."""
        if model_id is None:
            return None
        async with self._loading:
            if self._model is None or self._model[0] != model_id:
                content = await repository.model(model_id)
                if content is None:  # replaced by a newer one, which the next stamp names
                    return None if self._model is None else self._model[1]
                self._model = model_id, await asyncio.to_thread(_unpack, content)
            return self._model[1]


def _unpack(content: bytes) -> "Model":
    from app.services.recommendations.fitted import Model  # NumPy takes 25 MB, and not every process needs it

    return Model.unpack(content)


def _rank(model: "Model", own: UserList, wanted: RecommendationSpec) -> "Personal":
    from app.services.recommendations.personal import Personal, rank_for_list

    return Personal(rank_for_list(model, own, wanted))


def _append(personal: "Personal | None", others: list[Recommended]) -> "Personal":
    from app.services.recommendations.personal import Personal

    return Personal(None, others) if personal is None else personal.followed_by(others)


async def _select(personal: "Personal | None", wanted: RecommendationSpec) -> list[Recommended]:
    """The recommendations of the page, and a few more for those that may no longer be shown."""
    if personal is None:
        return []
    start, end = wanted.offset, wanted.offset + wanted.limit + _SPARE
    if personal.is_ready(start, end):
        return personal.select(start, end)
    return await asyncio.to_thread(personal.select, start, end)


def _interleave(popular: list[int], new: list[int]) -> list[Recommended]:
    """Alternate popular and new titles, without duplicates."""
    merged: dict[int, Recommended] = {}
    pairs = zip_longest(
        (Recommended(id_, "discover", "popular") for id_ in popular),
        (Recommended(id_, "discover", "new") for id_ in new),
    )
    for one in chain.from_iterable(pairs):
        if one is not None:
            merged.setdefault(one.anime_id, one)
    return list(merged.values())
