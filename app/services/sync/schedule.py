"""When lists are synced: soon after an edit, from time to time, and when somebody asks for it."""

from collections.abc import Sequence
from datetime import timedelta

from app.repositories.sync import LinkRepository
from app.schemas.domain.library import MediaType
from app.schemas.events import EntryChanged
from app.schemas.jobs import EnqueuedJob, PushList, SyncList
from app.services.jobs import JobService
from app.services.sync.accounts import ServiceAccounts
from app.services.sync.lists import QUIET
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database, Transaction

PULL_EVERY = timedelta(minutes=30)
_LEFT_BEHIND = timedelta(seconds=20)  # after which a change that waits is queued once more
_AT_ONCE = 200


class SyncSchedule:
    def __init__(
        self, db: Database, jobs: JobService, accounts: ServiceAccounts, *, clock: Clock = utc_now
    ) -> None:
        self._db = db
        self._jobs = jobs
        self._accounts = accounts
        self._clock = clock

    async def order(
        self, user_id: int, service: str, *, media_type: MediaType | None = None, only_fetch: bool = False
    ) -> EnqueuedJob:
        """Queue a sync that somebody asked for. Raises ``NotConnected`` and ``TokenRefused``."""
        await self._accounts.usable(user_id, service)
        job = SyncList(user_id, service, media_type, only_fetch)
        return await self._jobs.submit(job, owner_id=user_id)

    async def notice(self, tx: Transaction, events: Sequence[EntryChanged]) -> None:
        """A reaction to edits: queue a push for each service but the one that they came from.

        It begins a little later, so that edits in a row are told as one.
        """
        soon = self._clock() + timedelta(seconds=QUIET)
        for user_id, origin in sorted({(event.user_id, event.origin) for event in events}):
            for service in await LinkRepository(tx).mark_pending(user_id, but=origin):
                await self._jobs.enqueue(tx, PushList(user_id, service), owner_id=user_id, run_after=soon)

    async def queue_due(self) -> None:
        """Queue what is due of all persons, as upkeep where nobody waits for it."""
        now = self._clock()
        async with self._db.transaction() as tx:
            links = LinkRepository(tx)
            waiting = await links.list_waiting(before=now - _LEFT_BEHIND, limit=_AT_ONCE)
            await self._jobs.enqueue_many(tx, [PushList(*one) for one in waiting])
            due = await links.list_pull_due(before=now - PULL_EVERY, limit=_AT_ONCE)
            await self._jobs.enqueue_many(tx, [SyncList(*one) for one in due], job_class="upkeep")
