"""Reads of titles, pages of titles and genres as JSON that PostgreSQL builds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.repositories.anime.filters import ORDERS, SAFE, Arguments, conditions, where
from app.repositories.anime.genres import GenreIndex
from app.repositories.anime.rendering import columns, joins
from app.repositories.anime.search import inexact_matches, matching, ranked
from app.schemas.domain.anime import AnimePage, StoredAnime, TagKind, UpstreamTag
from app.schemas.domain.catalogue import ANIME_KEYS, AnimeSort, CatalogueFilter, PageSpec
from app.utils.db.database import Driver

_DEEP_OFFSET = 1000  # offset from which it is faster to sort ids alone and to join the rows afterwards


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page, and the catalogue version it was read at; ``total`` is None if that version was known."""

    version: int
    labels: int
    total: int | None
    body: bytes


class AnimeRepository:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find(self, anime_id: int, keys: tuple[str, ...] = ANIME_KEYS) -> StoredAnime | None:
        return await self._find("id", anime_id, keys)

    async def find_by_mal_id(self, mal_id: int, keys: tuple[str, ...] = ANIME_KEYS) -> StoredAnime | None:
        return await self._find("mal_id", mal_id, keys)

    async def page(
        self,
        filters: CatalogueFilter,
        sort: AnimeSort,
        spec: PageSpec,
        *,
        genres: GenreIndex,
        known_version: int | None,
    ) -> PageRead:
        """The matching titles in order; they are counted unless the version is still ``known_version``."""
        arguments = Arguments()
        parts = list(conditions(filters, genres, arguments))
        if filters.search is not None:
            parts.append(matching(filters.search, arguments))
        return await self._page("", where(parts), sort, spec, arguments, known_version)

    async def page_of_inexact(
        self, filters: CatalogueFilter, search: str, sort: AnimeSort, spec: PageSpec, *, genres: GenreIndex
    ) -> PageRead:
        """Like :meth:`page`, for a search without exact matches: other spellings and typos."""
        arguments = Arguments()
        tables, condition = inexact_matches(search, arguments)
        parts = [condition, *conditions(filters, genres, arguments)]
        return await self._page(tables, where(parts), sort, spec, arguments, None)

    async def count_hidden(self, filters: CatalogueFilter, *, genres: GenreIndex) -> int:
        """How many adult titles match ``filters``, ignoring its ``sfw``."""
        arguments = Arguments()
        parts = list(conditions(replace(filters, sfw=False), genres, arguments))
        if filters.search is not None:
            parts.append(matching(filters.search, arguments))
        sql = f"select count(*) from anime a where {where(parts)} and not ({SAFE})"
        hidden: int = await self._driver.fetchval(sql, *arguments)
        return hidden

    async def search(self, query: str, spec: PageSpec, *, safe: bool = False) -> AnimePage:
        """Best matches first, ties by number of members; ``safe`` hides adult titles."""
        arguments = Arguments()
        tables = ranked(query, arguments, safe=safe)
        hidden = "(select titles from hidden)" if safe else "0"
        place = "tier, likeness desc, members desc nulls last, id"
        sql = f"""
            {tables},
            page as (
                select id, row_number() over (order by {place}) as place
                from found order by place
                limit {arguments.add(spec.limit, "bigint")} offset {arguments.add(spec.offset, "bigint")}
            )
            select (select count(*) from found) as total, {hidden} as hidden,
                   {_array(spec.keys, "page join anime a using (id)", "page.place")} as body
        """
        row = await self._driver.fetchrow(sql, *arguments)
        assert row is not None
        return AnimePage(row["body"], row["total"], row["hidden"])

    async def genres(self, kind: TagKind | None, *, sfw: bool) -> bytes:
        """All genres, themes and demographics as JSON, with the number of titles of each."""
        body: bytes = await self._driver.fetchval(_SAFE_GENRES if sfw else _GENRES, kind)
        return body

    async def tags(self, ids: Sequence[int]) -> dict[int, UpstreamTag]:
        """Genres, themes and demographics by id; unknown ids are left out."""
        rows = await self._driver.fetch(_TAGS, ids)
        return {row["id"]: UpstreamTag(row["kind"], row["name"], row["mal_id"]) for row in rows}

    async def genre_index(self) -> GenreIndex:
        row = await self._driver.fetchrow(_GENRE_INDEX)
        assert row is not None
        return GenreIndex.of(row["labels"], zip(row["ids"], row["names"], strict=True))

    async def _find(self, column: str, value: int, keys: tuple[str, ...]) -> StoredAnime | None:
        sql = f"""
            select a.id, a.status,
                   (select synced_at from anime_syncs where anime_id = a.id) as synced_at,
                   convert_to((select row_to_json(p) from (select {columns(keys)}) p)::text, 'UTF8') as body
            from anime a {joins(keys)}
            where a.{column} = $1
        """
        row = await self._driver.fetchrow(sql, value)
        return None if row is None else StoredAnime(row["id"], row["body"], row["synced_at"], row["status"])

    async def _page(
        self,
        tables: str,
        condition: str,
        sort: AnimeSort,
        spec: PageSpec,
        arguments: Arguments,
        known_version: int | None,
    ) -> PageRead:
        total = f"(select count(*) from anime a where {condition})"
        if known_version is not None:
            total = f"case when v.version <> {arguments.add(known_version, 'bigint')} then {total} end"
        order = ORDERS[sort]
        rows = f"""
            from anime a where {condition} order by {order}
            limit {arguments.add(spec.limit, "bigint")} offset {arguments.add(spec.offset, "bigint")}
        """
        page = f"(select a.* {rows}) a"
        if spec.offset >= _DEEP_OFFSET:
            page = f"(select a.id {rows}) i join anime a using (id)"
        sql = f"""
            {tables}
            select v.version, v.labels, {total} as total, {_array(spec.keys, page, order)} as body
            from catalogue_version v
        """
        row = await self._driver.fetchrow(sql, *arguments)
        assert row is not None
        return PageRead(row["version"], row["labels"], row["total"], row["body"])


def _array(keys: tuple[str, ...], source: str, order: str) -> str:
    """SQL for the JSON array of the rows of ``source``, as bytes."""
    rows = f"select {columns(keys)} from {source} {joins(keys)} order by {order}"
    return f"convert_to(coalesce((select json_agg(p) from ({rows}) p), '[]')::text, 'UTF8')"


_GENRE_INDEX = """
    select v.labels,
           array(select id from genres order by id) as ids,
           array(select name from genres order by id) as names
    from catalogue_version v
"""

_TAGS = "select id, kind, name, mal_id from genres where id = any($1::int[])"

_COUNTED_GENRES = """
    select convert_to(coalesce(json_agg(g), '[]')::text, 'UTF8')
    from (
        select g.id, g.name, g.mal_id, g.kind, coalesce(uses.count, 0) as count
        from genres g
        left join (
            select tag_id, {counted} as count, count(*) as all_titles
            from anime a, unnest(tag_ids) as tag_id group by tag_id
        ) uses on uses.tag_id = g.id
        where ($1::text is null or g.kind = $1) and (uses.count > 0 or uses.all_titles is null)
        order by g.kind, g.name, g.id
    ) g
"""
_GENRES = _COUNTED_GENRES.format(counted="count(*)")
_SAFE_GENRES = _COUNTED_GENRES.format(counted=f"count(*) filter (where {SAFE})")
