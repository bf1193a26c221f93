"""Job classes: shares, round-robin between users, promotion."""

import asyncio
from datetime import timedelta

import pytest

from app.schemas.jobs import SHARES, ImportList, Job, JobClass, RefreshStale, SendMail, SyncAnime
from app.services.jobs import JobRun, JobService
from app.utils.clock import utc_now
from app.utils.db.database import Database
from tests.fixtures.jobs import QUICK, Mark, RecordingQueue, Table


@pytest.fixture
async def people(table: Table) -> list[int]:
    rows = await table.rows(
        "insert into users (username, password_hash)"
        " select 'person' || n, 'x' from generate_series(1, 4) n returning id"
    )
    return [row.id for row in rows]


async def claim(jobs: JobService, job_class: JobClass = "order") -> str | None:
    """Claim the next job and leave it running; returns its key."""
    run = JobRun(jobs._db, QUICK)
    claimed = await run.claim_next(job_class)
    return None if claimed is None else Job.read(claimed.kind, claimed.arguments).key


async def finish(table: Table, key: str) -> None:
    await table.rows(
        "update jobs set status = 'succeeded', finished_at = now(), lease_token = null, lease_until = null"
        " where key = :key",
        key=key,
    )


async def test_a_claim_takes_only_jobs_of_its_class(jobs: JobService, people: list[int]) -> None:
    await jobs.submit(RefreshStale())
    await jobs.submit(SyncAnime(1), owner_id=people[0])
    await jobs.submit(SendMail(people[0], "reset", "a"))
    await jobs.submit(ImportList(people[0], "d"), owner_id=people[0])
    assert await claim(jobs, "push") is None
    assert await claim(jobs, "mail") == f"accounts.mail:{people[0]}:reset:a:"
    assert await claim(jobs, "import") == f"library.import:{people[0]}:d::merge"
    assert await claim(jobs, "upkeep") == "anime.refresh_stale"
    assert await claim(jobs, "order") == "anime.sync:1"
    assert await claim(jobs, "order") is None


@pytest.mark.parametrize(("job_class", "kind"), [("import", ImportList), ("order", Mark), ("mail", SendMail)])
async def test_one_user_cannot_occupy_all_slots_of_a_class(
    jobs: JobService, people: list[int], job_class: JobClass, kind: type[Job]
) -> None:
    def job(person: int, number: int) -> Job:
        if kind is SendMail:
            return SendMail(person, "reset", str(number))
        return ImportList(person, str(number)) if kind is ImportList else Mark(person * 1000 + number)

    share = SHARES[job_class]
    for number in range(25):
        await jobs.submit(job(people[0], number), owner_id=None if kind is SendMail else people[0])
    taken = await asyncio.gather(*(claim(jobs, job_class) for _ in range(share.slots)))
    assert len([key for key in taken if key is not None]) == share.per_person < share.slots
    await jobs.submit(job(people[1], 1), owner_id=None if kind is SendMail else people[1])
    assert await claim(jobs, job_class) == job(people[1], 1).key


async def test_users_are_served_round_robin(jobs: JobService, people: list[int], table: Table) -> None:
    for person in people[:3]:
        for number in range(20):
            await jobs.submit(Mark(person * 1000 + number), owner_id=person)
    for _ in range(30):
        key = await claim(jobs)
        assert key is not None
        await finish(table, key)
    served = await table.rows(
        "select owner_id, count(*) as n from jobs where status = 'succeeded' group by owner_id"
    )
    assert {row.owner_id: row.n for row in served} == dict.fromkeys(people[:3], 10)
    await jobs.submit(Mark(people[3] * 1000), owner_id=people[3])
    next_ones = []
    for _ in range(4):
        key = await claim(jobs)
        assert key is not None
        next_ones.append(key)
        await finish(table, key)
    assert Mark(people[3] * 1000).key in next_ones


async def test_single_jobs_go_between_those_of_a_batch(
    database: Database, jobs: JobService, table: Table, people: list[int]
) -> None:
    async with database.transaction() as tx:
        await jobs.enqueue_many(tx, [SyncAnime(number) for number in range(1, 101)], job_class="upkeep")
    for _ in range(3):
        key = await claim(jobs, "upkeep")
        assert key is not None
        await finish(table, key)
    await jobs.submit(RefreshStale())
    assert "anime.refresh_stale" in {await claim(jobs, "upkeep") for _ in range(2)}


async def test_an_order_promotes_a_queued_upkeep_job(
    database: Database, jobs: JobService, bell: RecordingQueue, table: Table, people: list[int]
) -> None:
    async with database.transaction() as tx:
        await jobs.enqueue_many(tx, [SyncAnime(number) for number in range(1, 101)], job_class="upkeep")
    await table.rows("update jobs set run_after = now() + interval '10 minutes' where key = 'anime.sync:90'")
    bell.rung.clear()
    ordered = await jobs.submit(SyncAnime(90), owner_id=people[0])
    assert (ordered.created, ordered.status, ordered.key) == (False, "queued", "anime.sync:90")
    assert bell.rung == [ordered.id]
    assert bell.classes[ordered.id] == "order"
    assert (await jobs.get(ordered.id, owner_id=people[0])).status == "queued"
    assert await claim(jobs, "order") == "anime.sync:90"
    assert await claim(jobs, "order") is None


async def test_an_order_of_another_user_moves_a_shared_job_forward(
    jobs: JobService, people: list[int]
) -> None:
    for number in range(1, 101):
        await jobs.submit(SyncAnime(number), owner_id=people[0])
    assert not (await jobs.submit(SyncAnime(90), owner_id=people[1])).created
    assert "anime.sync:90" in {await claim(jobs) for _ in range(2)}


async def test_a_running_upkeep_job_learns_of_its_promotion(
    database: Database, jobs: JobService, table: Table, people: list[int]
) -> None:
    async with database.transaction() as tx:
        await jobs.enqueue_many(tx, [SyncAnime(1)], job_class="upkeep")
    learnt = asyncio.Event()

    async def wait(_: Job, run: JobRun) -> None:
        assert not run.ordered.is_set()
        await run.ordered.wait()
        learnt.set()

    running = asyncio.create_task(jobs.run_next("upkeep", wait))
    job_id = (await table.rows("select id from jobs"))[0].id
    await table.until_status(job_id, "running")
    again = await jobs.submit(SyncAnime(1), owner_id=people[0])
    assert (again.id, again.status) == (job_id, "running")
    await asyncio.wait_for(running, QUICK.promotion_check + 5)
    assert learnt.is_set()
    assert (await table.job(job_id)).owner_id == people[0]


async def test_upkeep_does_not_demote_orders(database: Database, jobs: JobService, people: list[int]) -> None:
    await jobs.submit(SyncAnime(1), owner_id=people[0])
    async with database.transaction() as tx:
        assert await jobs.enqueue_many(tx, [SyncAnime(1)], job_class="upkeep") == 0
    assert await claim(jobs, "upkeep") is None
    assert await claim(jobs, "order") == "anime.sync:1"


async def test_a_retried_job_is_an_order(database: Database, jobs: JobService, table: Table) -> None:
    async with database.transaction() as tx:
        await jobs.enqueue_many(tx, [SyncAnime(1)], job_class="upkeep")
    await table.rows("update jobs set status = 'failed', finished_at = now()")
    await jobs.retry((await table.rows("select id from jobs"))[0].id)
    assert await claim(jobs, "order") == "anime.sync:1"


async def test_jobs_that_are_not_due_are_skipped(jobs: JobService, people: list[int]) -> None:
    await jobs.submit(Mark(1), run_after=utc_now() + timedelta(hours=1))
    await jobs.submit(Mark(2))
    assert await claim(jobs) == "test.mark:2"
    assert await claim(jobs) is None
