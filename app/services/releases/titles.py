"""Titles of the AniLibria v2 surface: cached in three levels, with fallbacks while AniLibria is down."""

import hashlib
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import orjson

from app.errors import NotFound, UpstreamFailure, UpstreamTimeout
from app.external.anilibria.client import PAGE_SIZE, AniLibriaClient
from app.repositories.releases import PollRepository, ReleaseRepository, ReleaseWriter
from app.schemas.anilibria.title import render_title
from app.schemas.domain.releases import (
    Release,
    ReleaseFilter,
    ReleasePage,
    ReleaseSort,
    ReleaseSource,
    UpstreamRelease,
)
from app.services.releases.ingest import store_releases
from app.services.releases.levels import LEVEL, AnswerLevel, QueryLevel, TitleLevel
from app.services.releases.node import NodeService
from app.utils.cache import Cache, CacheEntry, CacheResult, Fetch, Level
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database

SOURCE: ReleaseSource = "anilibria"  # also the prefix of all cache keys
_SORTINGS: dict[ReleaseSort, str] = {"year": "YEAR", "rating": "RATING", "popular": "RATING"}
_LISTS = ("titles:*", "popular:*", "updates:*", "search:*", "schedule")


class TitleNotFound(NotFound):
    reason = "TITLE_NOT_FOUND"
    default_message = "There is no title with this id."


@dataclass(frozen=True, slots=True)
class TitleAnswer:
    """A JSON response and its origin; ``total`` is the number of items if ``body`` is a page of a list."""

    body: bytes
    total: int | None
    level: str | None
    stale: bool
    expires_at: datetime
    source: Literal["anilibria", "node"] = "anilibria"


@dataclass(frozen=True, slots=True)
class TitleOrder:
    sort: ReleaseSort = "updated"
    descending: bool = True


class TitleService:
    """``cache`` has the levels above PostgreSQL.

    Once our mirror of the source is complete, lists are served from it. While AniLibria is down, every method
    returns stored data marked as stale; if there is none, it raises an ``UpstreamFailure``.
    """

    def __init__(
        self,
        db: Database,
        client: AniLibriaClient,
        cache: Cache,
        *,
        node: NodeService,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self._node = node
        self._client = client
        self._cache = cache
        self._clock = clock
        self._answers = AnswerLevel(db)

    async def title(self, title_id: int) -> TitleAnswer:
        """A release with its episodes. Raises :class:`TitleNotFound`."""
        key, row = f"{SOURCE}:title:{title_id}", TitleLevel(self._db, title_id)
        try:
            found = await self._find(key, lambda: self._fetch_title(title_id), row)
        except UpstreamFailure as failure:
            async with self._db.reader() as connection:
                known = await ReleaseRepository(connection).find_external(title_id)
            if known is None:
                return await self._of_node(self._node.title(title_id), failure)
            return _stale(render_title(known), known.fetched_at)
        if found.entry.body is None:
            searched = ["cache", "api", "database"]
            raise TitleNotFound(details={"title_id": title_id, "searched_sources": searched})
        return _answer(found)

    def is_current(self, title_id: int, body: bytes) -> bool:
        """Whether :meth:`title` would return this very object from memory; counts as a hit if so."""
        return self._cache.is_current(f"{SOURCE}:title:{title_id}", body)

    async def titles(self, wanted: ReleaseFilter, order: TitleOrder, *, page: int, limit: int) -> TitleAnswer:
        """A page of the matching releases; empty past the end."""
        told = repr((wanted, order)).encode()
        digest = hashlib.sha256(told).hexdigest()[:16]
        key = f"{SOURCE}:titles:page:{page}:limit:{limit}:filters:{digest}"

        async def fetch() -> bytes | None:
            return await self._fetch_page(wanted, order, page=page, limit=limit)

        return await self._listed(key, fetch, wanted, order, page=page, limit=limit)

    async def popular(self, *, page: int, limit: int) -> TitleAnswer:
        """The releases with the most favourites."""
        order, wanted = TitleOrder("popular"), ReleaseFilter()
        key = f"{SOURCE}:popular:limit:{limit}" + (f":page:{page}" if page > 1 else "")
        return await self._listed(
            key,
            lambda: self._fetch_page(wanted, order, page=page, limit=limit),
            wanted,
            order,
            page=page,
            limit=limit,
        )

    async def updates(self, *, page: int, limit: int) -> TitleAnswer:
        """The releases ordered by their newest episode."""
        order, wanted = TitleOrder("fresh"), ReleaseFilter()

        async def fetch() -> bytes | None:
            if page > 1 or limit > PAGE_SIZE:
                return await self._fetch_page(wanted, order, page=page, limit=limit)
            latest = await self._client.list_latest(limit=limit)
            return _packed(await self._store(latest), len(latest))

        key = f"{SOURCE}:updates:limit:{limit}" + (f":page:{page}" if page > 1 else "")
        return await self._listed(key, fetch, wanted, order, page=page, limit=limit)

    async def search(self, query: str, *, limit: int, fuzzy: bool) -> TitleAnswer:
        """The search results of AniLibria; ``fuzzy`` adds stored releases with similar names."""
        words = " ".join(query.split())

        async def fetch() -> bytes | None:
            found = await self._store((await self._client.search(words))[:limit])
            if fuzzy:
                async with self._db.reader() as connection:
                    near = await ReleaseRepository(connection).list_similar(words, limit=limit)
                found = list({one.id: one for one in (*found, *near)}.values())[:limit]
            return _packed(found, len(found))

        key = f"{SOURCE}:search:{words.casefold()}:limit:{limit}:fuzzy:{fuzzy:d}"
        try:
            return _unpacked(await self._find(key, fetch, self._answers))
        except UpstreamFailure as failure:
            async with self._db.reader() as connection:
                releases = ReleaseRepository(connection)
                similar = await releases.list_similar(words, limit=limit) if fuzzy else []
                order = TitleOrder("popular")
                plain = await _query(releases, ReleaseFilter(search=words), order, page=1, limit=limit)
            known = list({one.id: one for one in (*plain.releases, *similar)}.values())[:limit]
            if not known:
                theirs = self._node.titles("search", page=1, limit=limit, query=words)
                return await self._of_node(theirs, failure)
            return _stale(_array(known), min(one.fetched_at for one in known), total=len(known))

    async def random(self) -> TitleAnswer:
        """A random release, with its episodes if they are available."""
        async with self._db.reader() as connection:
            mirrored = (await PollRepository(connection, SOURCE).get()).mirrored_at is not None
            known = await ReleaseRepository(connection).find_random()
        if mirrored and known is not None:
            return await self.title(known.external_id)
        try:
            release = await self._client.random()
        except UpstreamFailure:
            if known is None:
                raise
            return _stale(render_title(known), known.fetched_at)
        await self._store([release])
        return await self.title(release.external_id)

    async def schedule(self) -> TitleAnswer:
        """The seven days from Monday on, each with its releases and the number of their next episode."""
        try:
            return _answer(await self._find(f"{SOURCE}:schedule", self._fetch_schedule, self._answers))
        except UpstreamFailure:
            async with self._db.reader() as connection:
                known = await ReleaseRepository(connection).list_scheduled()
            if not known:
                raise
            return _stale(_week([(one, None) for one in known]), min(one.fetched_at for one in known))

    async def genres(self) -> TitleAnswer:
        """All genres with the number of their releases."""

        async def fetch() -> bytes | None:
            return orjson.dumps(await self._client.genres())

        return _answer(await self._find(f"{SOURCE}:genres", fetch, self._answers))

    async def invalidate(self, title_ids: Sequence[int]) -> None:
        """Drop these titles and all lists from the cache, in all processes."""
        for title_id in title_ids:
            await self._cache.drop(f"{SOURCE}:title:{title_id}")
        for lists in _LISTS:
            await self._cache.drop(f"{SOURCE}:{lists}")
            await self._answers.drop(f"{SOURCE}:{lists}")

    async def forget(self, pattern: str) -> None:
        """Drop a pattern, with its prefix, from the levels above PostgreSQL, in all processes."""
        await self._cache.drop(pattern)

    async def clear(self, pattern: str) -> None:
        """Drop a pattern such as ``titles:*``; rows are marked stale, never deleted.

        The pattern is confined to our keys: the prefix is added if it is missing.
        """
        whole = pattern if pattern.startswith(f"{SOURCE}:") else f"{SOURCE}:{pattern}"
        await self._cache.drop(whole)
        await self._answers.drop(whole)
        name = whole.removeprefix(f"{SOURCE}:")
        title_id = name.removeprefix("title:")
        if name in {"*", "title:*"} or (name.startswith("title:") and title_id.isdecimal()):
            async with self._db.transaction() as tx:
                await ReleaseWriter(tx).mark_stale(int(title_id) if title_id.isdecimal() else None)

    @property
    def namespace(self) -> str:
        return self._cache.namespace

    @property
    def hit_rates(self) -> dict[str, float]:
        """The hit rate of each cache level, 0 to 1."""
        return dict(self._cache.hit_rates)

    async def _find(self, key: str, fetch: Fetch, row: Level) -> CacheResult:
        try:
            return await self._cache.get_or_fetch(key, fetch, row=row)
        except TimeoutError:
            raise UpstreamTimeout(retry_after=2) from None

    async def _listed(
        self, key: str, fetch: Fetch, wanted: ReleaseFilter, order: TitleOrder, *, page: int, limit: int
    ) -> TitleAnswer:
        async def load(whole: bool = True) -> CacheEntry | None:
            async with self._db.reader() as connection:
                state = await PollRepository(connection, SOURCE).get()
                if whole and state.mirrored_at is None:
                    return None
                releases = ReleaseRepository(connection)
                found = await _query(releases, wanted, order, page=page, limit=limit)
            asked_at = state.polled_at or state.mirrored_at or datetime.fromtimestamp(0, UTC)
            return CacheEntry(_packed(found.releases, found.total), asked_at.timestamp())

        try:
            return _unpacked(await self._find(key, fetch, QueryLevel(load)))
        except UpstreamFailure as failure:
            async with self._db.reader() as connection:
                some = await ReleaseRepository(connection).count()
            entry = await load(whole=False) if some else None
            if entry is None:
                name = "popular" if order.sort == "popular" else "updates"
                if wanted != ReleaseFilter():  # version 1 has no filters
                    raise
                return await self._of_node(self._node.titles(name, page=page, limit=limit), failure)
            return _unpacked(CacheResult(entry, LEVEL, stale=True, expires_at=entry.fetched_at))

    async def _of_node(
        self, asked: Awaitable[Release | Sequence[Release] | None], failure: UpstreamFailure
    ) -> TitleAnswer:
        """Fall back to the Node service; raises ``failure`` if it fails or has nothing."""
        try:
            found = await asked
        except UpstreamFailure:
            raise failure from None
        if not found:
            raise failure
        total: int | None
        if isinstance(found, Release):
            body, total = render_title(found), None
        else:
            body, total = _array(found), len(found)
        return TitleAnswer(body, total, None, stale=False, expires_at=self._clock(), source="node")

    async def _fetch_title(self, title_id: int) -> bytes | None:
        try:
            release = await self._client.get_release(title_id)
        except NotFound:
            return await self._outlived(title_id)
        stored = await self._store([release])
        return render_title(stored[0])

    async def _outlived(self, title_id: int) -> bytes | None:
        """The last stored state of a title that the source has removed; None if it is unknown here too."""
        async with self._db.transaction() as tx:
            known = (await ReleaseWriter(tx).list_known([title_id])).get(title_id)
            if known is None or known.detailed_at is None:
                return None
            await ReleaseWriter(tx).touch(title_id, fetched_at=self._clock())
        async with self._db.reader() as connection:
            release = await ReleaseRepository(connection).find_external(title_id)
        return render_title(release) if release else None

    async def _fetch_page(
        self, wanted: ReleaseFilter, order: TitleOrder, *, page: int, limit: int
    ) -> bytes | None:
        """Fetch a page from the source, whose own pages have at most 50 items and other sort orders."""
        genre_ids = await self._genre_ids(wanted.genres)
        if genre_ids is None:
            return _packed([], 0)
        sorting = f"{_SORTINGS.get(order.sort, 'FRESH_AT')}_{'DESC' if order.descending else 'ASC'}"
        size = limit if limit <= PAGE_SIZE else PAGE_SIZE
        offset = (page - 1) * limit
        items: list[UpstreamRelease] = []
        number, total = offset // size + 1, 0
        skipped = offset % size
        while len(items) < skipped + limit:
            got = await self._client.list_catalogue(
                number, limit=size, sorting=sorting, wanted=wanted, genre_ids=genre_ids
            )
            total, number = got.total, number + 1
            items += got.items
            if number > got.pages or not got.items:
                break
        return _packed(await self._store(items[skipped : skipped + limit]), total)

    async def _genre_ids(self, names: Sequence[str]) -> tuple[int, ...] | None:
        """The source's ids of the genres; None if it does not know one of them."""
        if not names:
            return ()
        known = {genre["name"].casefold(): genre["id"] for genre in orjson.loads((await self.genres()).body)}
        ids = [known.get(name.casefold()) for name in names]
        return None if None in ids else tuple(id_ for id_ in ids if id_ is not None)

    async def _fetch_schedule(self) -> bytes | None:
        items = await self._client.schedule()
        stored = await self._store([item.release for item in items])
        numbers = {item.release.external_id: item.next_episode for item in items}
        return _week([(release, numbers.get(release.external_id)) for release in stored])

    async def _store(self, releases: Sequence[UpstreamRelease]) -> list[Release]:
        """Store releases of the source, and read them back in its order, with links and episodes."""
        async with self._db.transaction() as tx:
            await store_releases(tx, releases, at=self._clock())
        async with self._db.reader() as connection:
            return await ReleaseRepository(connection).list_external([one.external_id for one in releases])


async def _query(
    releases: ReleaseRepository, wanted: ReleaseFilter, order: TitleOrder, *, page: int, limit: int
) -> ReleasePage:
    return await releases.list_page(
        wanted, sort=order.sort, descending=order.descending, limit=limit, offset=(page - 1) * limit
    )


_DAYS = ("Понедельник", "Вторник", "Среда", "Четверг", "Пятница", "Суббота", "Воскресенье")


def _week(items: Sequence[tuple[Release, int | None]]) -> bytes:
    days = []
    for number, name in enumerate(_DAYS, start=1):
        titles = [
            render_title(release)[:-1] + b',"next_episode":%s}' % orjson.dumps(episode)
            for release, episode in items
            if release.publish_day == number
        ]
        head = orjson.dumps({"day": number, "name": name})[:-1]
        days.append(head + b',"titles":[' + b",".join(titles) + b"]}")
    return b"[" + b",".join(days) + b"]"


def _array(releases: Sequence[Release]) -> bytes:
    return b"[" + b",".join(render_title(release) for release in releases) + b"]"


def _packed(releases: Sequence[Release], total: int) -> bytes:
    """Serialise a page, preceded by its total."""
    return b"%d\n%s" % (total, _array(releases))


def _unpacked(found: CacheResult) -> TitleAnswer:
    total, _, body = (found.entry.body or b"0\n[]").partition(b"\n")
    return TitleAnswer(body, int(total), found.level, found.stale, _instant(found.expires_at))


def _answer(found: CacheResult) -> TitleAnswer:
    return TitleAnswer(
        found.entry.body or b"null", None, found.level, found.stale, _instant(found.expires_at)
    )


def _stale(body: bytes, fetched_at: datetime, *, total: int | None = None) -> TitleAnswer:
    return TitleAnswer(body, total, LEVEL, stale=True, expires_at=fetched_at)


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
