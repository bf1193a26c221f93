"""Fill missing totals and AniList ids of entries from AniList, in batches."""

from collections.abc import Sequence
from typing import get_args

from app.external.anilist.client import AniListClient
from app.repositories.backfill import BackfillRepository, UnknownTotal
from app.repositories.library import lock_lists
from app.schemas.domain.jobs import EnqueuedJob
from app.schemas.domain.library import MediaType
from app.schemas.domain.media import UpstreamMedia
from app.schemas.jobs import BackfillTotals
from app.services.jobs import JobRun, JobService
from app.utils.db.database import Database

_AT_ONCE = 50  # titles per call


class BackfillService:
    def __init__(self, db: Database, jobs: JobService, client: AniListClient) -> None:
        self._db = db
        self._jobs = jobs
        self._client = client

    async def order(self, user_id: int) -> EnqueuedJob:
        return await self._jobs.submit(BackfillTotals(), owner_id=user_id)

    async def run(self, run: JobRun) -> None:
        """Fetch the titles that the catalogue does not have, 50 per call.

        The progress counts filled entries.
        """
        filled = 0
        for media_type in get_args(MediaType):
            after = 0
            while True:
                async with self._db.transaction() as tx:
                    unknown = await BackfillRepository(tx).list_unknown(
                        media_type, after=after, limit=_AT_ONCE
                    )
                if not unknown:
                    break
                after = unknown[-1].entry_id
                filled += await self._fill(media_type, unknown, run)
                await run.progress(filled)
        await run.progress(filled, filled)

    async def _fill(self, media_type: MediaType, unknown: Sequence[UnknownTotal], run: JobRun) -> int:
        by_key = {key: media for media in await self._ask(media_type, unknown) for key in _keys_of(media)}
        known = {
            one.entry_id: media
            for one in unknown
            if (media := by_key.get(("anilist", one.anilist_id)) or by_key.get(("mal", one.mal_id)))
        }
        async with run.transaction() as tx:
            await lock_lists(tx, {one.user_id for one in unknown})
            found = {id_: (media.total, media.anilist_id) for id_, media in known.items()}
            return len(await BackfillRepository(tx).fill(found))

    async def _ask(self, media_type: MediaType, unknown: Sequence[UnknownTotal]) -> list[UpstreamMedia]:
        ids = sorted({one.anilist_id for one in unknown if one.anilist_id is not None})
        mal_ids = sorted({one.mal_id for one in unknown if one.mal_id is not None and one.anilist_id is None})
        found = await self._client.list_media(media_type, anilist_ids=ids) if ids else []
        return found + (await self._client.list_media(media_type, mal_ids=mal_ids) if mal_ids else [])


def _keys_of(media: UpstreamMedia) -> list[tuple[str, int | None]]:
    keys: list[tuple[str, int | None]] = [("anilist", media.anilist_id)]
    return keys + ([("mal", media.mal_id)] if media.mal_id is not None else [])
