"""Import rows as dump files, and inspect what is stored."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.repositories.catalogue import CatalogueRepository
from app.schemas.domain.anime import ImportSummary, UpstreamAnime
from app.schemas.domain.dumps import DumpFault
from app.services.catalogue.dumps import DumpService
from app.utils.db.database import Database
from tests.factories import dumps

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

_CONTENT = """
    select mal_id, anilist_id, title, title_english, title_japanese, title_russian, synonyms, type, source,
           status, season, year, episodes, duration_minutes, rating, score, scored_by, rank, popularity,
           members, synopsis, image_url, aired_from, aired_to, is_adult, dumped_on,
           synced_at,
           (select array_agg(kind || ':' || name order by place)
            from unnest(tag_ids) with ordinality as t(tag, place) join genres on genres.id = tag) as tags,
           (select array_agg(name order by place)
            from unnest(studio_ids) with ordinality as s(studio, place)
            join studios on studios.id = studio) as studios
    from anime left join anime_syncs on anime_id = anime.id order by mal_id, anilist_id
"""


class Importer:
    """Imports one file after another, in chunks of a few rows."""

    def __init__(self, database: Database, folder: Path, *, chunk: int = 3) -> None:
        self.database = database
        self.folder = folder
        self.service = DumpService(database, chunk=chunk, clock=lambda: NOW)
        self.faults: list[DumpFault] = []

    async def __call__(self, *rows: Any, dated: str | None = None, name: str = "x.jsonl") -> tuple[int, ...]:
        """Added, updated, unchanged, skipped, failed."""
        self.faults.clear()
        path = dumps.write(self.folder, name, dumps.lines(rows, last_update=dated))
        summary = await self.service.run(path, on_fault=self.faults.append)
        return counts(summary)

    async def rows(self) -> list[dict[str, Any]]:
        async with self.database.transaction() as tx:
            await tx.session.execute(text("set local statement_timeout = 0"))  # of a whole catalogue
            return [dict(row) for row in (await tx.session.execute(text(_CONTENT))).mappings()]

    async def row(self) -> dict[str, Any]:
        (row,) = await self.rows()
        return row

    async def sync(self, *items: UpstreamAnime) -> None:
        async with self.database.transaction() as tx:
            await CatalogueRepository(tx).upsert(items, synced_at=NOW)

    async def execute(self, sql: str) -> None:
        async with self.database.transaction() as tx:
            await tx.session.execute(text(sql))

    async def traces(self) -> tuple[Any, ...]:
        """What any write would change: the version of the catalogue, the times and positions of rows."""
        async with self.database.reader() as connection:
            rows = await connection.execute(text("select id, updated_at, xmin::text from anime order by id"))
            version = await connection.execute(text("select version from catalogue_version"))
            return (*rows.all(), version.scalar())


def counts(summary: ImportSummary) -> tuple[int, ...]:
    return (summary.added, summary.updated, summary.unchanged, summary.skipped, summary.failed)
