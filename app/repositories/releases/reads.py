"""SQL that reads releases and their episodes."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.schemas.domain.releases import (
    Episode,
    Release,
    ReleaseFilter,
    ReleasePage,
    ReleaseSort,
    VideoSource,
)

_RELEASE = [
    field.name for field in fields(Release) if field.name not in {"episodes", "latest", "genres", "rating"}
]
_EPISODE = [field.name for field in fields(Episode) if field.name not in {"sources", "opening", "ending"}]
_FROM = "from releases r left join anime a on a.id = r.anime_id"
_SELECT = f"select r.*, a.score as rating {_FROM}"
_NAMES = "concat_ws(' ', r.name_ru, r.name_en, r.name_alternative, r.alias)"
_ORDERS: dict[ReleaseSort, str] = {
    "id": "r.external_id",
    "year": "r.year",
    "rating": "a.score",
    "updated": "coalesce(r.updated_at, r.fresh_at, r.added_at)",  # like the shown ``updated_at``
    "popular": "r.favorites",
    "fresh": "r.fresh_at",
}
_SIMILAR = 0.5  # minimum word similarity, 0 to 1, of the search and a part of a name


class ReleaseRepository:
    """Releases include their episodes, in the order of the source, unless only a summary is stored."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, release_id: int) -> Release | None:
        return await self._one("r.id = :id", id=release_id)

    async def find_external(self, external_id: int) -> Release | None:
        return await self._one("r.external_id = :id", id=external_id)

    async def find_random(self) -> Release | None:
        return await self._one("true order by random() limit 1")

    async def list_external(self, external_ids: Sequence[int]) -> list[Release]:
        """The known ones of these ids, in the order of the ids."""
        rows = await self._rows(f"{_SELECT} where r.external_id = any(:ids)", ids=list(external_ids))
        by_id = {release.external_id: release for release in await self._whole(rows)}
        return [by_id[external_id] for external_id in external_ids if external_id in by_id]

    async def list_page(
        self, filters: ReleaseFilter, *, sort: ReleaseSort, descending: bool, limit: int, offset: int
    ) -> ReleasePage:
        """A page of matching releases; nulls come last in both directions."""
        where, parameters = _where(filters)
        direction = "desc" if descending else "asc"
        order = f"{_ORDERS[sort]} {direction} nulls last, r.external_id {direction}"
        total = await self._connection.scalar(text(f"select count(*) {_FROM} where {where}"), parameters)
        rows = await self._rows(
            f"{_SELECT} where {where} order by {order} limit :limit offset :offset",
            **parameters,
            limit=limit,
            offset=offset,
        )
        return ReleasePage(await self._whole(rows), int(total or 0))

    async def list_similar(self, query: str, *, limit: int) -> list[Release]:
        """Releases whose names contain text similar to the search, closest first."""
        rows = await self._rows(
            f"""
            select * from (
                select r.*, a.score as rating,
                       word_similarity(lower(:query), lower({_NAMES})) as near {_FROM}
            ) as found
            where near >= :least order by near desc, favorites desc, external_id limit :limit
            """,
            query=query,
            least=_SIMILAR,
            limit=limit,
        )
        return await self._whole(rows)

    async def list_scheduled(self) -> list[Release]:
        """Airing releases with a day of the week, most favourites first."""
        rows = await self._rows(
            f"{_SELECT} where r.status = 'airing' and r.publish_day is not null "
            "order by r.publish_day, r.favorites desc, r.external_id"
        )
        return await self._whole(rows)

    async def count(self) -> int:
        return int(await self._connection.scalar(text("select count(*) from releases")) or 0)

    async def list_episodes(
        self, release_id: int, *, limit: int, offset: int
    ) -> tuple[list[Episode], int] | None:
        """A page of the episodes and their total number; None if there is no such release."""
        found = await self._connection.scalar(
            text("select 1 from releases where id = :id"), {"id": release_id}
        )
        if found is None:
            return None
        rows = await self._rows(
            "select *, count(*) over () as total from episodes where release_id = :id "
            "order by sort_order, ordinal, id limit :limit offset :offset",
            id=release_id,
            limit=limit,
            offset=offset,
        )
        if not rows and offset:
            statement = text("select count(*) from episodes where release_id = :id")
            return [], int(await self._connection.scalar(statement, {"id": release_id}) or 0)
        return [_episode(row) for row in rows], rows[0].total if rows else 0

    async def _one(self, where: str, **parameters: Any) -> Release | None:
        found = await self._whole(await self._rows(f"{_SELECT} where {where}", **parameters))
        return found[0] if found else None

    async def _rows(self, sql: str, **parameters: Any) -> list[Row[Any]]:
        return list(await self._connection.execute(text(sql), parameters))

    async def _whole(self, rows: Iterable[Row[Any]]) -> list[Release]:
        rows = list(rows)
        episodes: dict[int, list[Episode]] = {row.id: [] for row in rows if row.detailed_at is not None}
        if episodes:
            statement = "select * from episodes where release_id = any(:ids) order by sort_order, ordinal, id"
            for row in await self._rows(statement, ids=list(episodes)):
                episodes[row.release_id].append(_episode(row))
        return [_release(row, episodes.get(row.id)) for row in rows]


def _release(row: Row[Any], episodes: list[Episode] | None) -> Release:
    values = {name: getattr(row, name) for name in _RELEASE}
    genres = None if row.genres is None else tuple(row.genres)
    told = None if episodes is None else tuple(episodes)
    return Release(**values, genres=genres, episodes=told, rating=row.rating)


def _episode(row: Row[Any]) -> Episode:
    values = {name: getattr(row, name) for name in _EPISODE}
    return Episode(
        **values,
        sources=tuple(VideoSource(**source) for source in row.sources),
        opening=_span(row.opening),
        ending=_span(row.ending),
    )


def _span(value: list[int | None] | None) -> tuple[int | None, int | None] | None:
    return None if value is None else (value[0], value[1])


def _where(filters: ReleaseFilter) -> tuple[str, dict[str, Any]]:
    conditions, parameters = ["true"], dict[str, Any]()
    for name in ("year", "season", "status", "anime_id"):
        value = getattr(filters, name)
        if value is not None:
            conditions.append(f"r.{name} = :{name}")
            parameters[name] = value
    if filters.search:
        conditions.append(f"position(lower(:search) in lower({_NAMES})) > 0")
        parameters["search"] = filters.search
    if filters.genres:
        conditions.append("(select array_agg(lower(genre)) from unnest(r.genres) as genre) @> :genres")
        parameters["genres"] = [genre.lower() for genre in filters.genres]
    return " and ".join(conditions), parameters
