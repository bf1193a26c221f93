"""SQL of jobs: every write of a run is guarded by its lease token. Times are PostgreSQL's."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import JobRow, ScheduleRow
from app.schemas.jobs import ClaimedJob, EnqueuedJob, Job, JobState, JobStatus
from app.utils.database import Transaction

_jobs = cast(Table, JobRow.__table__)
_j = _jobs.c
_schedules = cast(Table, ScheduleRow.__table__)

_LIVE = _j.status.in_(("queued", "running"))
_DUE = (_j.status == "queued") & (_j.run_after <= func.now())
_STATE = [_j[name] for name in JobState.__dataclass_fields__]
_RELEASED: dict[str, Any] = {"lease_token": None, "lease_until": None}


def _ago(seconds: float) -> ColumnElement[Any]:
    return func.now() - timedelta(seconds=seconds)


def _ahead(seconds: float) -> ColumnElement[Any]:
    return func.now() + timedelta(seconds=seconds)


class JobRepository:
    """Works in a transaction, or, for single reads, on a connection in autocommit."""

    def __init__(self, on: Transaction | AsyncConnection) -> None:
        self._on = on.session if isinstance(on, Transaction) else on

    async def insert(self, job: Job, *, owner_id: int | None, run_after: datetime | None) -> EnqueuedJob:
        """Insert the job, or find the live one with its key."""
        new = insert(_jobs).values(
            key=job.key,
            kind=job.name,
            arguments=job.arguments,
            owner_id=owner_id,
            run_after=run_after or func.now(),
            sent_at=func.now() if run_after is None else None,  # as if it were: the send follows the commit
        )
        new = new.on_conflict_do_nothing(index_elements=[_j.key], index_where=_LIVE)
        live = select(_j.id, _j.status).where(_j.key == job.key, _LIVE)
        while True:
            created = (await self._on.execute(new.returning(_j.id))).scalar()
            if created is not None:
                return EnqueuedJob(created, job.key, "queued", created=True)
            found = (await self._on.execute(live)).first()
            if found is not None:  # else it ended between the two statements
                return EnqueuedJob(found.id, job.key, found.status, created=False)

    async def insert_many(self, jobs: Sequence[Job], *, owner_id: int | None) -> list[tuple[int, str]]:
        """Insert those whose key is not live, and answer their ids and kinds."""
        rows = [
            {
                "key": job.key,
                "kind": job.name,
                "arguments": job.arguments,
                "owner_id": owner_id,
                "sent_at": func.now(),
            }
            for job in sorted(jobs, key=lambda job: job.key)  # one order for all, so that none deadlock
        ]
        new = insert(_jobs).values(rows).on_conflict_do_nothing(index_elements=[_j.key], index_where=_LIVE)
        return [(row.id, row.kind) for row in await self._on.execute(new.returning(_j.id, _j.kind))]

    async def claim(self, job_id: int, token: UUID, *, lease: float) -> ClaimedJob | None:
        """Take a job that is queued and due; every claim counts as an attempt."""
        age = func.extract("epoch", func.now() - _j.started_at)
        statement = (
            update(_jobs)
            .where(_j.id == job_id, _DUE)
            .values(
                status="running",
                attempts=_j.attempts + 1,
                lease_token=token,
                lease_until=_ahead(lease),
                started_at=func.coalesce(_j.started_at, func.now()),
                error=None,
            )
            .returning(_j.id, _j.kind, _j.arguments, _j.attempts, age)
        )
        row = (await self._on.execute(statement)).first()
        return None if row is None else ClaimedJob(row[0], row[1], row[2], row[3], float(row[4]))

    async def renew(self, job_id: int, token: UUID, *, lease: float) -> bool:
        return await self._write(job_id, token, lease_until=_ahead(lease))

    async def hold(self, job_id: int, token: UUID) -> bool:
        """Whether the run still holds the job; if so, nobody can take it before the commit."""
        statement = select(_j.id).where(_j.id == job_id, _j.lease_token == token).with_for_update(read=True)
        return (await self._on.execute(statement)).first() is not None

    async def set_progress(self, job_id: int, token: UUID, done: int, total: int | None) -> bool:
        return await self._write(job_id, token, done=done, total=total)

    async def succeed(self, job_id: int, token: UUID) -> bool:
        """A job that never said how much there was to do has done all of it."""
        done = func.greatest(_j.done, case((_j.total.is_(None), 1), else_=0))
        return await self._write(
            job_id,
            token,
            status="succeeded",
            finished_at=func.now(),
            error=None,
            done=done,
            total=func.coalesce(_j.total, done),
            **_RELEASED,
        )

    async def fail(self, job_id: int, token: UUID, error: str) -> bool:
        return await self._write(
            job_id, token, status="failed", finished_at=func.now(), error=error, **_RELEASED
        )

    async def requeue(
        self, job_id: int, token: UUID, *, delay: float, error: str | None, counted: bool
    ) -> bool:
        """Give the job back for another attempt; ``counted`` says whether this one was one."""
        attempts = {} if counted else {"attempts": _j.attempts - 1}
        values = _requeued(delay, error) | attempts
        return await self._write(job_id, token, **values)

    async def _write(self, job_id: int, token: UUID, **values: Any) -> bool:
        statement = update(_jobs).where(_j.id == job_id, _j.lease_token == token).values(**values)
        return (await self._on.execute(statement.returning(_j.id))).first() is not None

    async def lock_expired(self, *, limit: int) -> list[ClaimedJob]:
        """Running jobs whose lease ran out, locked; those that somebody else has locked are passed over."""
        statement = (
            select(_j.id, _j.kind, _j.arguments, _j.attempts)
            .where(_j.status == "running", _j.lease_until < func.now())
            .order_by(_j.lease_until)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = await self._on.execute(statement)
        return [ClaimedJob(row.id, row.kind, row.arguments, row.attempts, 0) for row in rows]

    async def take_back(self, job_id: int, *, delay: float, error: str) -> None:
        """Requeue a locked job of a dead run."""
        await self._on.execute(update(_jobs).where(_j.id == job_id).values(**_requeued(delay, error)))

    async def give_up(self, job_id: int, *, error: str) -> None:
        """Fail a locked job of a dead run."""
        values = {"status": "failed", "finished_at": func.now(), "error": error, **_RELEASED}
        await self._on.execute(update(_jobs).where(_j.id == job_id).values(**values))

    async def count_due(self, *, limit: int) -> int:
        """How many jobs wait for a worker; not counted beyond ``limit``."""
        some = select(_j.id).where(_DUE).limit(limit).subquery()
        return (await self._on.execute(select(func.count()).select_from(some))).scalar_one()

    async def mark_sent(self, *, quiet: float, limit: int) -> list[tuple[int, str]]:
        """Due jobs that were not sent for ``quiet`` seconds, marked as sent now; never sent ones first."""
        unsent = (
            select(_j.id)
            .where(_DUE, or_(_j.sent_at.is_(None), _j.sent_at < _ago(quiet)))
            .order_by(_j.sent_at.nulls_first(), _j.run_after)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        statement = update(_jobs).where(_j.id.in_(unsent)).values(sent_at=func.now())
        return sorted(
            (row.id, row.kind) for row in await self._on.execute(statement.returning(_j.id, _j.kind))
        )

    async def mark_unsent(self, job_ids: Sequence[int]) -> None:
        statement = update(_jobs).where(_j.id.in_(job_ids), _j.status == "queued").values(sent_at=None)
        await self._on.execute(statement)

    async def fire(self, name: str, *, every: float) -> bool:
        """Note that the periodic job ``name`` is fired now, unless it was within ``every`` seconds."""
        statement = insert(_schedules).values(name=name, fired_at=func.now())
        statement = statement.on_conflict_do_update(
            index_elements=[_schedules.c.name],
            set_={"fired_at": func.now()},
            where=_schedules.c.fired_at <= _ago(every),
        )
        return (await self._on.execute(statement.returning(_schedules.c.name))).first() is not None

    async def delete_old(self, *, older: float, unowned: float, limit: int) -> int:
        """Delete jobs that finished ``older`` seconds ago; successes of nobody's after ``unowned``."""
        nobodys = (_j.status == "succeeded") & _j.owner_id.is_(None) & (_j.finished_at < _ago(unowned))
        old = select(_j.id).where(or_(_j.finished_at < _ago(older), nobodys), ~_LIVE).limit(limit)
        statement = delete(_jobs).where(_j.id.in_(old.with_for_update(skip_locked=True)))
        return len((await self._on.execute(statement.returning(_j.id))).all())

    async def find(self, job_id: int, *, owner_id: int | None) -> JobState | None:
        statement = select(*_STATE).where(_j.id == job_id, *_of(owner_id))
        row = (await self._on.execute(statement)).first()
        return None if row is None else JobState(**row._mapping)

    async def list_page(
        self, *, owner_id: int | None, status: JobStatus | None, kind: str | None, limit: int, offset: int
    ) -> list[JobState]:
        statement = select(*_STATE).where(*_filters(owner_id, status, kind))
        rows = await self._on.execute(statement.order_by(_j.id.desc()).limit(limit).offset(offset))
        return [JobState(**row._mapping) for row in rows]

    async def count(self, *, owner_id: int | None, status: JobStatus | None, kind: str | None) -> int:
        statement = select(func.count()).select_from(_jobs).where(*_filters(owner_id, status, kind))
        return (await self._on.execute(statement)).scalar_one()

    async def revive(self, job_id: int) -> bool:
        """Queue a failed job as if it were new; False when it is not failed or its key is live."""
        statement = (
            update(_jobs)
            .where(_j.id == job_id, _j.status == "failed")
            .values(**_requeued(0, None), attempts=0, done=0, total=None, started_at=None, finished_at=None)
        )
        try:
            return (await self._on.execute(statement.returning(_j.id))).first() is not None
        except IntegrityError:
            return False


def _requeued(delay: float, error: str | None) -> dict[str, Any]:
    return {"status": "queued", "run_after": _ahead(delay), "sent_at": None, "error": error, **_RELEASED}


def _of(owner_id: int | None) -> list[ColumnElement[bool]]:
    return [] if owner_id is None else [_j.owner_id == owner_id]


def _filters(owner_id: int | None, status: JobStatus | None, kind: str | None) -> list[ColumnElement[bool]]:
    chosen = _of(owner_id)
    if status is not None:
        chosen.append(_j.status == status)
    if kind is not None:
        chosen.append(_j.kind == kind)
    return chosen
