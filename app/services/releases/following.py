"""Follow a source: poll its newest releases frequently, and mirror its whole catalogue from time to time."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.errors import NotFound, UpstreamError
from app.external.anilibria.client import PAGE_SIZE, AniLibriaClient
from app.external.base.client import JOB, UPKEEP
from app.logs import log
from app.repositories.releases import Known, PollRepository, ReleaseWriter
from app.schemas.domain.releases import UpstreamRelease
from app.services.releases.ingest import store_releases
from app.services.releases.titles import SOURCE, TitleNotFound, TitleService
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database

MIRROR_EVERY = timedelta(hours=6)
_MOST_PAGES = 400  # upper limit, whatever page count the source reports
_MOST_BEHIND = 20  # pages read by one poll to catch up


class ReleaseFollower:
    """Turns changes at AniLibria into rows and events. Several processes may poll at once."""

    def __init__(
        self, db: Database, client: AniLibriaClient, titles: TitleService, *, clock: Clock = utc_now
    ) -> None:
        self._db = db
        self._client = client
        self._titles = titles
        self._clock = clock

    async def poll(self) -> int:
        """Fetch the newest releases, then the details of those that changed.

        Returns the number of changed ones. The first poll only records the starting point and emits no
        events. If the details of a release cannot be fetched, the next poll tries again.
        """
        began_at = self._clock()
        async with self._db.reader() as connection:
            before = (await PollRepository(connection, SOURCE).get()).polled_at
        summaries = await self._client.list_latest(limit=PAGE_SIZE, deadline=JOB)
        if before is None:
            return await self._begin(summaries, began_at)
        changed = await self._changed(summaries)
        if len(changed) >= PAGE_SIZE:
            changed += await self._catch_up({one.external_id for one in changed})
        details = [detail for one in changed if (detail := await self._detail(one)) is not None]
        async with self._db.transaction() as tx:
            polls = PollRepository(tx.session, SOURCE)
            # Compare and set under a row lock: of concurrent polls only one emits the events.
            if (await polls.lock()).polled_at != before:
                return 0  # another poll was faster and has processed the same changes
            await store_releases(tx, details, at=began_at, listed=True)
            # Those without episodes too, which the source does not always send.
            await ReleaseWriter(tx).mark_followed([one.external_id for one in details])
            await polls.move_on(polled_at=began_at)
        if details:
            log.info("releases.changed", titles=[one.external_id for one in details][:20])
            await self._titles.invalidate([one.external_id for one in details])
        return len(details)

    async def mirror(self) -> int:
        """Fetch the whole catalogue, so that lists can be served from the database.

        Returns the number of releases.
        """
        began_at = self._clock()
        seen = set[int]()
        for number in range(1, _MOST_PAGES):
            page = await self._client.list_catalogue(number, deadline=UPKEEP)
            new = [one for one in page.items if one.external_id not in seen]
            seen |= {one.external_id for one in new}
            async with self._db.transaction() as tx:
                await store_releases(tx, new, at=self._clock(), listed=True)
            if number >= page.pages or not new:
                break
        async with self._db.transaction() as tx:
            await PollRepository(tx.session, SOURCE).move_on(mirrored_at=began_at)
        await self._titles.invalidate([])
        return len(seen)

    async def is_mirror_due(self) -> bool:
        async with self._db.reader() as connection:
            state = await PollRepository(connection, SOURCE).get()
        return state.mirrored_at is None or self._clock() - state.mirrored_at > MIRROR_EVERY

    async def sync(self, title_id: int, *, force: bool) -> None:
        """Fetch one release; without ``force`` only if its details are unknown.

        Raises :class:`TitleNotFound`.
        """
        if not force:
            async with self._db.transaction() as tx:
                known = (await ReleaseWriter(tx).list_known([title_id])).get(title_id)
            if known is not None and known.detailed_at is not None:
                return
        try:
            release = await self._client.get_release(title_id, deadline=JOB)
        except NotFound:
            raise TitleNotFound(details={"title_id": title_id}) from None
        async with self._db.transaction() as tx:
            await store_releases(tx, [release], at=self._clock())
        await self._titles.invalidate([title_id])

    async def _begin(self, summaries: Sequence[UpstreamRelease], at: datetime) -> int:
        async with self._db.transaction() as tx:
            polls = PollRepository(tx.session, SOURCE)
            if (await polls.lock()).polled_at is None:
                await store_releases(tx, summaries, at=at)
                await ReleaseWriter(tx).mark_followed([one.external_id for one in summaries])
                await polls.move_on(polled_at=at)
        return 0

    async def _catch_up(self, seen: set[int]) -> list[UpstreamRelease]:
        """Changes beyond the newest page, after a long pause."""
        changed: list[UpstreamRelease] = []
        for number in range(1, _MOST_BEHIND):
            page = await self._client.list_catalogue(number, deadline=JOB)
            found = await self._changed([one for one in page.items if one.external_id not in seen])
            seen |= {one.external_id for one in page.items}
            changed += found
            if number > 1 and not found:
                break
        return changed

    async def _changed(self, summaries: Iterable[UpstreamRelease]) -> list[UpstreamRelease]:
        unique = {one.external_id: one for one in summaries}
        async with self._db.transaction() as tx:
            known = await ReleaseWriter(tx).list_known(list(unique))
        return [one for one in unique.values() if has_changed(known.get(one.external_id), one)]

    async def _detail(self, summary: UpstreamRelease) -> UpstreamRelease | None:
        try:
            detail = await self._client.get_release(summary.external_id, deadline=JOB)
        except (NotFound, UpstreamError) as fault:  # a fault of this release only; an outage ends the poll
            log.warning("releases.detail_failed", title_id=summary.external_id, why=str(fault))
            return None
        # Without episodes the list's last one is the newest known; else each poll would ask for it again.
        return replace(detail, latest=summary.latest) if detail.episodes is None else detail


def has_changed(known: Known | None, summary: UpstreamRelease) -> bool:
    """Whether the release has changed since its details were last processed.

    The timestamps are the source's and are only compared with each other, so that clock differences do not
    matter.
    """
    if known is None or known.followed_at is None or (summary.status or known.status) != known.status:
        return True
    if summary.latest is not None and _is_new(known, summary.latest.ordinal):
        return True
    moments = [moment for moment in (summary.fresh_at, summary.updated_at) if moment is not None]
    return any(moment > known.followed_at for moment in moments)


def _is_new(known: Known, ordinal: float) -> bool:
    if known.detailed_at is not None:
        return ordinal not in known.ordinals
    return known.latest_ordinal is None or ordinal > known.latest_ordinal
