"""SQL of jobs: a run's writes are conditional on its lease token; times are those of PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Table,
    case,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import JobRow, ScheduleRow
from app.schemas.domain.jobs import ClaimedJob, EnqueuedJob, JobState, QueuedJob
from app.schemas.jobs import SHARES, Job, JobClass, JobStatus
from app.utils.db.database import Driver, Transaction

_jobs = cast(Table, JobRow.__table__)
_j = _jobs.c
_schedules = cast(Table, ScheduleRow.__table__)

# Literals, since a generic plan cannot match a partial index to a parameter.
_QUEUED = _j.status == literal_column("'queued'")
_RUNNING = _j.status == literal_column("'running'")
_LIVE = _j.status.in_((literal_column("'queued'"), literal_column("'running'")))
_DUE = _QUEUED & (_j.run_after <= func.now())
_STATE = [_j[name] for name in JobState.__dataclass_fields__]
_RELEASED: dict[str, Any] = {"lease_token": None, "lease_until": None}


def _ago(seconds: float) -> ColumnElement[Any]:
    return func.now() - timedelta(seconds=seconds)


def _ahead(seconds: float) -> ColumnElement[Any]:
    return func.now() + timedelta(seconds=seconds)


class JobRepository:
    """Runs in a transaction or, for single reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def insert(self, job: Job, *, owner_id: int | None, run_after: datetime | None) -> EnqueuedJob:
        """Insert the job, or find the queued or running one with the same key.

        An existing job of a less urgent class or with a later turn moves to the class and turn of the new
        one; one without an owner gets this owner.
        """
        person = job.person if owner_id is None else owner_id
        turn = await self._next_turn(job.queue_class, person, after_ownerless=False)
        new = insert(_jobs).values(
            **_columns(job, owner_id, job.queue_class),
            turn=turn,
            run_after=run_after or func.now(),
            sent_at=func.now() if run_after is None else None,  # the caller sends it right after the commit
        )
        new = new.on_conflict_do_nothing(index_elements=[_j.key], index_where=_LIVE)
        live = select(_j.id, _j.status).where(_j.key == job.key, _LIVE)
        while True:
            created = (await self._connection.execute(new.returning(_j.id))).scalar()
            if created is not None:
                return EnqueuedJob(created, job.key, "queued", created=True)
            promoted = await self._promote([job.key], job.queue_class, turn, owner_id=owner_id, person=person)
            found = (await self._connection.execute(live)).first()
            if found is not None:  # otherwise it finished between the two statements
                moved = bool(promoted) and found.status == "queued"
                return EnqueuedJob(found.id, job.key, found.status, created=False, promoted=moved)

    async def insert_many(
        self, jobs: Sequence[Job], *, owner_id: int | None, job_class: JobClass | None = None
    ) -> list[QueuedJob]:
        """Insert the jobs whose key has no queued or running job, and return the new ones.

        ``job_class`` overrides the class of all jobs.
        """
        rows = []
        next_turn: dict[tuple[JobClass, int | None], int] = {}
        for job in jobs:
            one_class, person = job_class or job.queue_class, job.person if owner_id is None else owner_id
            if (one_class, person) not in next_turn:
                next_turn[one_class, person] = await self._next_turn(one_class, person, after_ownerless=True)
            turn = next_turn[one_class, person]
            next_turn[one_class, person] += 1
            rows.append({**_columns(job, owner_id, one_class), "turn": turn, "sent_at": func.now()})
        rows.sort(key=lambda row: str(row["key"]))  # a fixed order prevents deadlocks
        new = insert(_jobs).values(rows).on_conflict_do_nothing(index_elements=[_j.key], index_where=_LIVE)
        return [QueuedJob(*row) for row in await self._connection.execute(new.returning(_j.id, _j.job_class))]

    async def promote_upkeep(self, keys: Sequence[str], job_class: JobClass) -> list[QueuedJob]:
        """Move queued and running upkeep jobs with these keys to another class; returns the queued ones."""
        turn = await self._next_turn(job_class, None, after_ownerless=True)
        return await self._promote(keys, job_class, turn, owner_id=None, person=None)

    async def _next_turn(self, job_class: JobClass, person: int | None, *, after_ownerless: bool) -> int:
        """The turn of the first queued job, or the one after this user's last job if that is later.

        So a user with many jobs gets at most one between two of any other user. A single job without a user
        does not queue behind the others without one.
        """
        queued = _QUEUED & (_j.job_class == job_class)
        first = select(func.min(_j.turn)).where(queued, _j.run_after <= func.now()).scalar_subquery()
        own = select(func.max(_j.turn) + 1).where(queued, _j.on_behalf_of.is_not_distinct_from(person))
        candidates = [first, own.scalar_subquery()] if person is not None or after_ownerless else [first]
        turn = func.greatest(0, *candidates)  # ignores NULLs
        return int((await self._connection.execute(select(turn))).scalar_one())

    async def _promote(
        self, keys: Sequence[str], job_class: JobClass, turn: int, *, owner_id: int | None, person: int | None
    ) -> list[QueuedJob]:
        """Move jobs to this class and turn where that is more urgent; returns those that are queued."""
        less_urgent = list(SHARES)[list(SHARES).index(job_class) + 1 :]
        moved = _j.job_class.in_(less_urgent)
        earlier = (_j.job_class == job_class) & (_j.turn > turn) & _QUEUED
        ownerless = _j.owner_id.is_(None) & (_j.job_class == job_class) & (owner_id is not None)
        chosen = (
            select(_j.id)
            .where(_j.key.in_(keys), _LIVE, or_(moved, earlier, ownerless))
            .order_by(_j.id)
            .with_for_update()
        )
        statement = (
            update(_jobs)
            .where(_j.id.in_(chosen))
            .values(
                job_class=job_class,
                turn=case((moved, turn), else_=func.least(_j.turn, turn)),
                run_after=case((moved, func.least(_j.run_after, func.now())), else_=_j.run_after),
                owner_id=func.coalesce(_j.owner_id, owner_id),
                on_behalf_of=func.coalesce(_j.on_behalf_of, person),
            )
            .returning(_j.id, _j.job_class, _j.status)
        )
        rows = await self._connection.execute(statement)
        return [QueuedJob(row.id, row.job_class) for row in rows if row.status == "queued"]

    async def claim(self, job_id: int, token: UUID, *, lease: float) -> ClaimedJob | None:
        """Claim a job that is queued and due; every claim counts as an attempt."""
        return await self._claim(_j.id == job_id, token, lease)

    async def claim_next(self, job_class: JobClass, token: UUID, *, lease: float) -> ClaimedJob | None:
        """Claim the due job of this class with the lowest turn.

        Jobs of users who already run as many as they may are skipped.
        """
        # One claim per class at a time: the per-user limit of the next claim depends on what this one takes.
        await self._connection.execute(select(func.pg_advisory_xact_lock(func.hashtext("jobs:" + job_class))))
        share = SHARES[job_class]
        max_running = case((_j.on_behalf_of.is_(None), share.without_user), else_=share.per_person)
        running = (
            select(_j.on_behalf_of)
            .where(_RUNNING, _j.job_class == job_class)
            .group_by(_j.on_behalf_of)
            .having(func.count() >= max_running)
            .subquery()
        )
        served = exists().where(running.c.on_behalf_of.is_not_distinct_from(_j.on_behalf_of))
        first = (
            select(_j.id)
            .where(_DUE, _j.job_class == job_class, ~served)
            .order_by(_j.turn, _j.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        return await self._claim(_j.id == first.scalar_subquery(), token, lease)

    async def _claim(self, which: ColumnElement[bool], token: UUID, lease: float) -> ClaimedJob | None:
        age = func.extract("epoch", func.now() - _j.started_at)
        statement = (
            update(_jobs)
            .where(which, _DUE)
            .values(
                status="running",
                attempts=_j.attempts + 1,
                lease_token=token,
                lease_until=_ahead(lease),
                started_at=func.coalesce(_j.started_at, func.now()),
                error=None,
            )
            .returning(_j.id, _j.kind, _j.arguments, _j.attempts, age, _j.job_class)
        )
        row = (await self._connection.execute(statement)).first()
        return None if row is None else ClaimedJob(row[0], row[1], row[2], row[3], float(row[4]), row[5])

    async def job_class_of(self, job_id: int) -> JobClass | None:
        return (await self._connection.execute(select(_j.job_class).where(_j.id == job_id))).scalar()

    async def renew(self, job_id: int, token: UUID, *, lease: float) -> bool:
        return await self._write(job_id, token, lease_until=_ahead(lease))

    async def hold(self, job_id: int, token: UUID) -> bool:
        """Whether the run still holds the lease; if so, the row is locked until the commit."""
        statement = select(_j.id).where(_j.id == job_id, _j.lease_token == token).with_for_update(read=True)
        return (await self._connection.execute(statement)).first() is not None

    async def set_progress(self, job_id: int, token: UUID, done: int, total: int | None) -> bool:
        return await self._write(job_id, token, done=done, total=total)

    async def succeed(self, job_id: int, token: UUID) -> bool:
        """Mark as succeeded; a job that never reported a total counts as done completely."""
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
        """Queue the job for another attempt; ``counted`` tells whether this one counts."""
        attempts = {} if counted else {"attempts": _j.attempts - 1}
        values = _requeued(delay, error) | attempts
        return await self._write(job_id, token, **values)

    async def _write(self, job_id: int, token: UUID, **values: Any) -> bool:
        statement = update(_jobs).where(_j.id == job_id, _j.lease_token == token).values(**values)
        return (await self._connection.execute(statement.returning(_j.id))).first() is not None

    async def lock_expired(self, *, limit: int) -> list[ClaimedJob]:
        """Running jobs with an expired lease, locked; rows locked by others are skipped."""
        statement = (
            select(_j.id, _j.kind, _j.arguments, _j.attempts, _j.job_class)
            .where(_RUNNING, _j.lease_until < func.now())
            .order_by(_j.lease_until)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = await self._connection.execute(statement)
        return [ClaimedJob(row.id, row.kind, row.arguments, row.attempts, 0, row.job_class) for row in rows]

    async def requeue_dead(self, job_id: int, *, delay: float, error: str) -> None:
        """Requeue a locked job whose run is dead."""
        await self._connection.execute(update(_jobs).where(_j.id == job_id).values(**_requeued(delay, error)))

    async def fail_dead(self, job_id: int, *, error: str) -> None:
        """Fail a locked job whose run is dead."""
        values = {"status": "failed", "finished_at": func.now(), "error": error, **_RELEASED}
        await self._connection.execute(update(_jobs).where(_j.id == job_id).values(**values))

    async def count_due(self) -> dict[JobClass, int]:
        """The number of due jobs per class."""
        counted = select(_j.job_class, func.count()).where(_DUE).group_by(_j.job_class)
        return {row[0]: row[1] for row in await self._connection.execute(counted)}

    async def mark_sent(self, job_class: JobClass, *, quiet: float, limit: int) -> list[QueuedJob]:
        """Mark due jobs that were not sent for ``quiet`` seconds as sent; those never sent come first."""
        unsent = (
            select(_j.id)
            .where(_DUE, _j.job_class == job_class, or_(_j.sent_at.is_(None), _j.sent_at < _ago(quiet)))
            .order_by(_j.sent_at.nulls_first(), _j.run_after)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        statement = update(_jobs).where(_j.id.in_(unsent)).values(sent_at=func.now())
        rows = await self._connection.execute(statement.returning(_j.id, _j.job_class))
        return sorted((QueuedJob(*row) for row in rows), key=lambda job: job.id)

    async def mark_unsent(self, job_ids: Sequence[int]) -> None:
        statement = update(_jobs).where(_j.id.in_(job_ids), _QUEUED).values(sent_at=None)
        await self._connection.execute(statement)

    async def fire(self, name: str, *, every: float) -> bool:
        """Record that the periodic job ``name`` fires now; False if it did within ``every`` seconds."""
        statement = insert(_schedules).values(name=name, fired_at=func.now())
        statement = statement.on_conflict_do_update(
            index_elements=[_schedules.c.name],
            set_={"fired_at": func.now()},
            where=_schedules.c.fired_at <= _ago(every),
        )
        return (await self._connection.execute(statement.returning(_schedules.c.name))).first() is not None

    async def delete_old(self, *, older: float, unowned: float, limit: int) -> int:
        """Delete jobs that finished ``older`` seconds ago, successful unowned ones after ``unowned``."""
        without_user = (_j.status == "succeeded") & _j.owner_id.is_(None) & (_j.finished_at < _ago(unowned))
        old = select(_j.id).where(or_(_j.finished_at < _ago(older), without_user), ~_LIVE).limit(limit)
        statement = delete(_jobs).where(_j.id.in_(old.with_for_update(skip_locked=True)))
        return len((await self._connection.execute(statement.returning(_j.id))).all())

    async def find(self, job_id: int, *, owner_id: int | None) -> JobState | None:
        statement = select(*_STATE).where(_j.id == job_id, *_of(owner_id))
        row = (await self._connection.execute(statement)).first()
        return None if row is None else JobState(**row._mapping)

    async def list_page(
        self, *, owner_id: int | None, status: JobStatus | None, kind: str | None, limit: int, offset: int
    ) -> list[JobState]:
        statement = select(*_STATE).where(*_filters(owner_id, status, kind))
        rows = await self._connection.execute(statement.order_by(_j.id.desc()).limit(limit).offset(offset))
        return [JobState(**row._mapping) for row in rows]

    async def count_queued(self, kind: str, job_class: JobClass) -> int:
        queued = _QUEUED & (_j.job_class == job_class) & (_j.kind == kind)
        return (
            await self._connection.execute(select(func.count()).select_from(_jobs).where(queued))
        ).scalar_one()

    async def count(self, *, owner_id: int | None, status: JobStatus | None, kind: str | None) -> int:
        statement = select(func.count()).select_from(_jobs).where(*_filters(owner_id, status, kind))
        return (await self._connection.execute(statement)).scalar_one()

    async def revive(self, job_id: int, job_class: JobClass) -> bool:
        """Queue a failed job again; False if it has not failed or its key is in use."""
        turn = await self._next_turn(job_class, None, after_ownerless=False)
        statement = (
            update(_jobs)
            .where(_j.id == job_id, _j.status == "failed")
            .values(
                **_requeued(0, None),
                job_class=job_class,
                turn=turn,
                attempts=0,
                done=0,
                total=None,
                started_at=None,
                finished_at=None,
            )
        )
        try:
            return (await self._connection.execute(statement.returning(_j.id))).first() is not None
        except IntegrityError:
            return False


def _columns(job: Job, owner_id: int | None, job_class: JobClass) -> dict[str, Any]:
    return {
        "key": job.key,
        "kind": job.name,
        "arguments": job.arguments,
        "owner_id": owner_id,
        "on_behalf_of": job.person if owner_id is None else owner_id,
        "job_class": job_class,
    }


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


class JobOverview:
    """What a scheduler asks every few seconds, on an autocommit connection."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def seconds_since_fired(self) -> dict[str, float]:
        """The age of each periodic job that has fired, by name."""
        ages = "select name, extract(epoch from now() - fired_at)::float8 from schedules"
        return {row[0]: row[1] for row in await self._driver.fetch(ages)}

    async def has_expired_or_due(self) -> tuple[bool, bool]:
        """Whether a running job has an expired lease, and whether a queued one is due."""
        row = await self._driver.fetchrow(
            """
            select exists (select from jobs where status = 'running' and lease_until < now()),
                   exists (select from jobs where status = 'queued' and run_after <= now())
            """
        )
        if row is None:
            raise AssertionError("this query has a row")
        return row[0], row[1]
