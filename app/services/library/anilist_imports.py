"""Imports from AniList without an account there: public lists by name, and lists that a client read."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import orjson

from app.errors import BadRequest
from app.external.anilist.client import AniListClient
from app.repositories.imports import ImportRepository
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ListedRow
from app.schemas.jobs import EnqueuedJob, ImportPublicList
from app.services.jobs import JobRun, JobService
from app.services.library.imports import ImportService
from app.services.library.reading import ListReader
from app.services.library.title_matches import TitleMatches, match_titles_of
from app.utils.db.database import Database

_FILENAME = "anilist.json"
_NOT_FETCHED = b""


@dataclass(frozen=True, slots=True)
class KnownAnime:
    """A row of a list, with the catalogue's title of that name or id; ``status`` in words of that client."""

    anime_id: int | None
    thumbnail: str | None
    title: str
    status: str | None


class AniListImportService:
    def __init__(
        self,
        db: Database,
        jobs: JobService,
        client: AniListClient,
        imports: ImportService,
        reader: ListReader,
    ) -> None:
        self._db = db
        self._jobs = jobs
        self._client = client
        self._imports = imports
        self._reader = reader

    async def start(self, user_id: int, name: str) -> EnqueuedJob:
        """Queue the import of the public lists of the person who has this name at AniList."""
        job = ImportPublicList(user_id=user_id, digest=name)
        async with self._db.transaction() as tx:
            queued = await self._jobs.enqueue(tx, job, owner_id=user_id)
            if queued.created:
                await ImportRepository(tx).insert(
                    queued.id, user_id, filename=_FILENAME, content=_NOT_FETCHED, is_dry_run=False
                )
            return queued

    async def run(self, job: ImportPublicList, run: JobRun) -> None:
        """Fetch both lists, one call a chunk, and import them as a file; a second attempt fetches no more.

        Raises ``NotFound`` where AniList has nobody of this name, or an ``UpstreamFailure``.
        """
        async with self._db.reader() as connection:
            content = await ImportRepository(connection).find_content(run.claimed.id)
        if content == _NOT_FETCHED:
            fetched = {
                kind: await self._client.list_collection(kind, user_name=job.digest)
                for kind in get_args(MediaType)
            }
            content = await asyncio.to_thread(orjson.dumps, {"data": fetched})
            async with run.transaction() as tx:
                await ImportRepository(tx).set_content(run.claimed.id, content)
        await self._imports.run(job, run)

    async def take_lists(
        self, user_id: int, lists: Sequence[dict[str, Any]]
    ) -> tuple[list[KnownAnime], EnqueuedJob]:
        """What the catalogue knows of lists of anime that a client read at AniList; and their import, queued.

        Each list has a ``status`` and ``entries`` with ``media``. Raises ``BadRequest`` for none at all.
        """
        rows = [_entry(one, entry) for one in lists for entry in one.get("entries") or ()]
        if not rows:
            raise BadRequest("No anime list provided")
        content = orjson.dumps({"lists": [{"name": "", "entries": rows}]})
        packed = await self._reader.read(content, "anime")
        listed = [row for row in packed.take(0, len(packed)) if isinstance(row, ListedRow)]
        async with self._db.transaction() as tx:
            matches = await match_titles_of(tx, listed)
        known = [_known(row, matches) for row in listed if row.subject.title]
        queued = await self._imports.start(user_id, content, filename=_FILENAME, media_type="anime")
        return known, queued


def _entry(one: dict[str, Any], entry: Any) -> dict[str, Any]:
    """The entry with the status of its list, where it has none of its own."""
    known = entry if isinstance(entry, dict) else {}
    return {**known, "status": known.get("status") or one.get("status")}


def _known(row: ListedRow, matches: TitleMatches) -> KnownAnime:
    subject, _ = matches.subject_of(row)
    status = row.fields.get("status")
    return KnownAnime(
        subject.anime_id,
        subject.image_url or row.subject.image_url,
        row.subject.title or "",
        None if status is None else status.replace("_", " "),
    )
