"""Imports from AniList without a connected account: public lists, and lists fetched by a client."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import orjson

from app.errors import BadRequest, NotFound
from app.external.anilist.client import AniListClient
from app.repositories.imports import ImportRepository
from app.schemas.domain.jobs import EnqueuedJob
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ListedRow
from app.schemas.jobs import ImportPublicList
from app.services.jobs import JobRun, JobService
from app.services.library.imports import ImportService
from app.services.library.reading import ListReader
from app.services.library.title_matches import TitleMatches, match_titles_of
from app.utils.db.database import Database

_FILENAME = "anilist.json"
_NOT_FETCHED = b""


@dataclass(frozen=True, slots=True)
class KnownAnime:
    """A row of a list with the matching title of the catalogue; ``status`` in the spelling of that client."""

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
        """Queue an import of the public lists of an AniList user."""
        job = ImportPublicList(user_id=user_id, digest=name)
        async with self._db.transaction() as tx:
            queued = await self._jobs.enqueue(tx, job, owner_id=user_id)
            if queued.created:
                await ImportRepository(tx).insert(
                    queued.id, user_id, filename=_FILENAME, content=_NOT_FETCHED, is_dry_run=False
                )
            return queued

    async def run(self, job: ImportPublicList, run: JobRun) -> None:
        """Fetch both lists and import them like a file; a retry does not fetch them again.

        Raises ``NotFound`` if AniList has no user of this name, or an ``UpstreamFailure``.
        """
        async with self._db.reader() as connection:
            content = await ImportRepository(connection).find_content(run.claimed.id)
        if content == _NOT_FETCHED:
            fetched = await self._fetch(job.digest)
            content = await asyncio.to_thread(orjson.dumps, {"data": fetched})
            async with run.transaction() as tx:
                await ImportRepository(tx).set_content(run.claimed.id, content)
        await self._imports.run(job, run)

    async def _fetch(self, name: str) -> dict[MediaType, dict[str, Any]]:
        try:
            return {
                kind: await self._client.list_collection(kind, user_name=name) for kind in get_args(MediaType)
            }
        except NotFound as failure:
            raise NotFound(f"AniList has no user '{name}', or their lists are private.") from failure

    async def take_lists(
        self, user_id: int, lists: Sequence[dict[str, Any]]
    ) -> tuple[list[KnownAnime], EnqueuedJob]:
        """Match anime lists that a client fetched from AniList with the catalogue, and queue their import.

        Each list has a ``status`` and ``entries`` with ``media``. Raises ``BadRequest`` if there are no
        entries.
        """
        rows = [_entry(one, entry) for one in lists for entry in one["entries"]]
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


def _entry(one: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """The entry; if it has no status of its own, with the status of its list."""
    return {**entry, "status": entry.get("status") or one["status"]}


def _known(row: ListedRow, matches: TitleMatches) -> KnownAnime:
    subject, _ = matches.subject_of(row)
    status = row.fields.get("status")
    return KnownAnime(
        subject.anime_id,
        subject.image_url or row.subject.image_url,
        row.subject.title or "",
        None if status is None else status.replace("_", " "),
    )
