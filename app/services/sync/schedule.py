"""When lists are synced: shortly after an edit, periodically, and on request."""

from collections.abc import Sequence
from datetime import timedelta

from app.repositories.sync import LinkRepository
from app.schemas.domain.jobs import EnqueuedJob
from app.schemas.domain.library import MediaType
from app.schemas.events import EntryChanged
from app.schemas.jobs import PushList, SyncList
from app.services.jobs import JobService
from app.services.sync.accounts import ServiceAccounts
from app.services.sync.lists import QUIET_TIME
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database, Transaction

PULL_EVERY = timedelta(minutes=30)
_PUSH_OVERDUE = timedelta(seconds=20)  # a push that should have run by then is queued again
_MAX_ACCOUNTS = 200


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
        """Queue a sync that the user requested. Raises ``NotConnected`` and ``TokenRefused``."""
        await self._accounts.require_account(user_id, service)
        job = SyncList(user_id, service, media_type, only_fetch)
        return await self._jobs.submit(job, owner_id=user_id)

    async def queue_pushes(self, tx: Transaction, events: Sequence[EntryChanged]) -> None:
        """Queue a push after edits, for each connected service except the one they came from.

        It starts a little later, so that successive edits are pushed as one.
        """
        soon = self._clock() + timedelta(seconds=QUIET_TIME)
        for user_id, origin in sorted({(event.user_id, event.origin) for event in events}):
            for service in await LinkRepository(tx).mark_pending(user_id, exclude=origin):
                await self._jobs.enqueue(tx, PushList(user_id, service), owner_id=user_id, run_after=soon)

    async def queue_due(self) -> None:
        """Queue overdue pushes and periodic pulls of all users.

        Pulls as upkeep, since nobody waits for them.
        """
        now = self._clock()
        async with self._db.transaction() as tx:
            links = LinkRepository(tx)
            waiting = await links.list_push_due(before=now - _PUSH_OVERDUE, limit=_MAX_ACCOUNTS)
            await self._jobs.enqueue_many(tx, [PushList(*one) for one in waiting])
            due = await links.list_pull_due(before=now - PULL_EVERY, limit=_MAX_ACCOUNTS)
            await self._jobs.enqueue_many(tx, [SyncList(*one) for one in due], job_class="upkeep")
