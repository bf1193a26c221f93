"""Pull and push: synchronise a user's list with the one at a service, in both directions."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

from app.errors import NotFound, RateLimited, TokenRefused, UpstreamError, UpstreamRejected
from app.logs import log
from app.repositories.library import lock_lists
from app.repositories.sync import (
    ConflictRepository,
    LinkRepository,
    NewSnapshot,
    PendingEntry,
    ServiceLink,
    SnapshotRepository,
)
from app.schemas.domain.library import MediaType, Subject
from app.schemas.domain.sync import (
    NOTHING,
    Hold,
    RemoteAccount,
    RemoteEntry,
    RemoteLists,
    Snapshot,
    SyncedAccount,
)
from app.schemas.jobs import PushList, SyncList
from app.services.jobs import JobRun
from app.services.sync.accounts import NotConnected, ServiceAccounts
from app.services.sync.merge import Merged, settle
from app.services.sync.merge_plan import MergePlan, StoredEntries, load_stored
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database, Transaction
from app.utils.metrics import SYNC_PUSHES

QUIET_TIME = 2.0  # seconds without an edit after which an entry is pushed
MAX_WAIT = 10.0  # seconds after which an entry is pushed even if it is still being edited
_POLL_INTERVAL = 0.5  # seconds
_LEASE = 60.0  # lease of the one run that may push to a list, in seconds; renewed while it runs
_CHUNK = 200  # entries per transaction
_BATCH = 50  # pending entries fetched at once
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class ListSync:
    """``remotes`` are the services by name."""

    def __init__(
        self,
        db: Database,
        remotes: Mapping[str, RemoteLists],
        accounts: ServiceAccounts,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self._remotes = remotes
        self._accounts = accounts
        self._clock = clock

    async def sync(self, job: SyncList, run: JobRun) -> None:
        """Fetch the user's lists from the service and merge them; then push, unless the job only fetches.

        Raises an ``UpstreamFailure``, after which the job is retried, or ``NotConnected``.
        """
        async with self._account(job.user_id, job.service) as (_, account):
            for media_type in _kinds(job.media_type):
                await self._pull(job.user_id, job.service, media_type, account, run)
        if job.only_fetch:
            return
        async with run.transaction() as tx:
            await LinkRepository(tx).mark_pulled(job.user_id, job.service)
        await self._push_all(job.user_id, job.service, run, wait_for_quiet=False)

    async def push(self, job: PushList, run: JobRun) -> None:
        """Push pending changes to the service, each entry once it is no longer being edited."""
        await self._push_all(job.user_id, job.service, run, wait_for_quiet=True)

    async def describe(self, user_id: int, service: str) -> SyncedAccount | None:
        """The state of the user's account at the service; None if none is connected."""
        async with self._db.transaction() as tx:
            link = await LinkRepository(tx).find(user_id, service)
            if link is None:
                return None
            snapshots, id_field = SnapshotRepository(tx), self._remotes[service].id_field
            pending = await snapshots.count_pending(
                user_id, service, id_field, unsynced_since=unsynced_since(link)
            )
            _, conflicts = await ConflictRepository(tx).list_open(user_id, service, limit=1, offset=0)
            return SyncedAccount(
                username=link.remote_name,
                connected_at=link.connected_at,
                expires_at=link.expires_at,
                reconnect=link.refused_at is not None or link.expires_at <= self._clock(),
                synced_at=link.pulled_at,
                pending=pending,
                conflicts=conflicts,
                rejected=await snapshots.list_faults(user_id, service),
            )

    async def _pull(
        self, user_id: int, service: str, media_type: MediaType, account: RemoteAccount, run: JobRun
    ) -> None:
        remote_lists = self._remotes[service]
        hold = remote_lists.hold(media_type, account.score_format)
        remotes = await remote_lists.list_entries(account, media_type)
        for start in range(0, len(remotes), _CHUNK):
            some = remotes[start : start + _CHUNK]
            async with run.transaction() as tx:
                await lock_lists(tx, [user_id])
                stored = await load_stored(tx, user_id, service, media_type, some)
                plan = _plan(stored, some, service, hold)
                await plan.store(tx, user_id, service, hold, job_id=run.claimed.id)
            await run.progress(start + len(some), len(remotes))

    async def _push_all(self, user_id: int, service: str, run: JobRun, *, wait_for_quiet: bool) -> None:
        try:
            await self._push_until_done(user_id, service, run, wait_for_quiet=wait_for_quiet)
        finally:
            async with self._db.transaction() as tx:
                await LinkRepository(tx).release_lease(user_id, service, run.token)

    async def _push_until_done(
        self, user_id: int, service: str, run: JobRun, *, wait_for_quiet: bool
    ) -> None:
        first_seen: dict[int, float] = {}  # monotonic seconds, by entry id
        while True:
            await self._acquire_lease(user_id, service, run)
            async with self._account(user_id, service) as (link, account):
                pending = await self._pending(link)
                if not pending and await self._is_done(user_id, service, run):
                    return
                due = pending if not wait_for_quiet else self._due(pending, first_seen)
                for media_type in get_args(MediaType):
                    some = [one for one in due if one.media_type == media_type]
                    await self._push_some(user_id, service, media_type, some, account, run)
            if not due:
                await asyncio.sleep(_POLL_INTERVAL)

    async def _acquire_lease(self, user_id: int, service: str, run: JobRun) -> None:
        """Take or renew the lease that makes this the only run pushing to the list.

        Raises ``RateLimited``.
        """
        async with self._db.transaction() as tx:
            links = LinkRepository(tx)
            if not await links.acquire_lease(user_id, service, run.token, seconds=_LEASE):
                if await links.find(user_id, service) is None:
                    raise NotConnected
                raise RateLimited("Another sync of this list is running.", retry_after=2)

    def _due(self, pending: Sequence[PendingEntry], first_seen: dict[int, float]) -> list[PendingEntry]:
        """The entries that are no longer being edited, or have waited too long."""
        now, quiet = time.monotonic(), self._clock() - timedelta(seconds=QUIET_TIME)
        due = [
            one
            for one in pending
            if one.updated_at <= quiet or now - first_seen.setdefault(one.entry_id, now) > MAX_WAIT
        ]
        for one in due:
            first_seen.pop(one.entry_id, None)
        return due

    async def _push_some(
        self,
        user_id: int,
        service: str,
        media_type: MediaType,
        pending: Sequence[PendingEntry],
        account: RemoteAccount,
        run: JobRun,
    ) -> None:
        """Push in the order of the edits; each entry is first merged with its current state at the service.

        An entry on which the service fails is left for the next attempt, so that it does not block the
        others; after two failures in a row nothing more is sent. Raises the last failure.
        """
        if not pending:
            return
        remote_lists = self._remotes[service]
        hold = remote_lists.hold(media_type, account.score_format)
        ids = [one.remote_id for one in pending]
        there = await remote_lists.find_entries(account, media_type, ids)
        if there is None:
            whole = await remote_lists.list_entries(account, media_type)
            there = {one.remote_id: one for one in whole if one.remote_id in ids}
        failure: UpstreamError | None = None
        has_just_failed = False
        for one in pending:
            try:
                await self._push_one(user_id, service, one, there.get(one.remote_id), hold, account, run)
                has_just_failed = False
            except UpstreamError as error:
                if has_just_failed:
                    raise
                failure, has_just_failed = error, True
        if failure is not None:
            raise failure

    async def _push_one(
        self,
        user_id: int,
        service: str,
        pending: PendingEntry,
        there: RemoteEntry | None,
        hold: Hold,
        account: RemoteAccount,
        run: JobRun,
    ) -> None:
        merged = await self._merge_one(user_id, service, pending, there, hold, run)
        if merged is None or not merged.wanted:
            SYNC_PUSHES.labels(service, "suppressed").inc()
            return
        try:
            answer = await self._remotes[service].save(
                account, pending.media_type, pending.remote_id, merged.wanted
            )
        except (UpstreamRejected, NotFound) as refusal:
            SYNC_PUSHES.labels(service, "rejected").inc()
            await self._note_fault(user_id, service, pending, merged.snapshot, refusal.message, run)
            return
        SYNC_PUSHES.labels(service, "sent").inc()
        # The service may round or drop values, and the entry may have been edited there or here meanwhile:
        # merge its answer once more, so that no rounding counts as an edit and no edit is lost.
        expected = replace(merged.snapshot.remote, **merged.wanted)
        settled = settle(merged.snapshot, merged.wanted, answer.filled(expected))
        await self._acquire_lease(user_id, service, run)
        await self._merge_one(user_id, service, pending, answer, hold, run, base=settled)

    async def _merge_one(
        self,
        user_id: int,
        service: str,
        pending: PendingEntry,
        there: RemoteEntry | None,
        hold: Hold,
        run: JobRun,
        *,
        base: Snapshot | None = None,
    ) -> Merged | None:
        """Merge and store; None if the entry was deleted meanwhile. ``base`` replaces the stored snapshot."""
        async with run.transaction() as tx:
            await lock_lists(tx, [user_id])
            snapshots = SnapshotRepository(tx)
            entry = await snapshots.find_entry(user_id, pending.entry_id)
            if entry is None:
                return None
            if base is None:
                held = await snapshots.list_of(
                    user_id, service, pending.media_type, entry_ids=[pending.entry_id]
                )
                base = held[0].snapshot if held else None
            if there is None:  # it never existed there, or was deleted there and edited here since
                base = Snapshot(NOTHING, NOTHING)
                subject = Subject(media_type=pending.media_type)
                there = RemoteEntry(pending.remote_id, NOTHING, _NEVER, subject)
            plan = MergePlan()
            merged = plan.merge_entry(entry, base, there, hold)
            await plan.store(tx, user_id, service, hold, job_id=run.claimed.id)
            return merged

    async def _note_fault(
        self, user_id: int, service: str, pending: PendingEntry, snapshot: Snapshot, why: str, run: JobRun
    ) -> None:
        """Record that the service rejected the entry; it is pushed again after its next edit."""
        log.warning("sync.rejected", service=service, entry_id=pending.entry_id, why=why)
        async with run.transaction() as tx:
            await lock_lists(tx, [user_id])
            snapshots = SnapshotRepository(tx)
            entry = await snapshots.find_entry(user_id, pending.entry_id)
            if entry is not None:
                noted = NewSnapshot(
                    pending.media_type, pending.remote_id, entry.id, entry.version, snapshot, why[:500]
                )
                await snapshots.put_many(user_id, service, [noted])

    async def _is_done(self, user_id: int, service: str, run: JobRun) -> bool:
        """Whether nothing is pending, checked while the list is locked; if so, clears the pending mark."""
        async with run.transaction() as tx:
            await lock_lists(tx, [user_id])
            # An edit between the last look and this lock would otherwise lose its pending mark.
            links = LinkRepository(tx)
            link = await links.find(user_id, service)
            if link is not None and await self._list_pending(tx, link, limit=1):
                return False
            await links.clear_pending(user_id, service)
            return True

    async def _pending(self, link: ServiceLink) -> list[PendingEntry]:
        async with self._db.transaction() as tx:
            return await self._list_pending(tx, link, limit=_BATCH)

    async def _list_pending(self, tx: Transaction, link: ServiceLink, *, limit: int) -> list[PendingEntry]:
        return await SnapshotRepository(tx).list_pending(
            link.user_id,
            link.service,
            self._remotes[link.service].id_field,
            unsynced_since=unsynced_since(link),
            limit=limit,
        )

    @asynccontextmanager
    async def _account(self, user_id: int, service: str) -> AsyncIterator[tuple[ServiceLink, RemoteAccount]]:
        """The account for the duration of the block; if the service rejects the token, that is recorded."""
        link, account = await self._accounts.require_account(user_id, service)
        try:
            yield link, account
        except TokenRefused:
            await self._accounts.mark_token_refused(link)
            raise


def unsynced_since(link: ServiceLink) -> datetime:
    """The time after which an entry without a snapshot is to be pushed.

    After the first complete sync all of them are, before it only those edited since the account was
    connected.
    """
    return link.connected_at if link.pulled_at is None else _NEVER


def _kinds(media_type: MediaType | None) -> tuple[MediaType, ...]:
    return get_args(MediaType) if media_type is None else (media_type,)


def _plan(stored: StoredEntries, remotes: Sequence[RemoteEntry], service: str, hold: Hold) -> MergePlan:
    """Decide for each fetched entry: add it, merge it, or skip it because the user deleted it here."""
    plan, merged = MergePlan(), set[int]()
    for remote in remotes:
        entry, previous = stored.entry_of(remote), stored.snapshot_of(remote.remote_id)
        if entry is not None and entry.id in merged:
            continue  # two titles of the service are one title of the catalogue: only the first is synced
        if entry is not None:
            merged.add(entry.id)
            base = previous.snapshot if previous is not None and previous.entry_id == entry.id else None
            plan.merge_entry(entry, base, remote, hold)
        elif previous is None or previous.snapshot.remote != remote.filled(previous.snapshot.remote):
            plan.add(remote, stored.subject_of(remote), service)
    return plan
