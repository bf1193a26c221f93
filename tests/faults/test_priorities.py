"""Priorities: readers before orders before upkeep, and each job class with its share of a worker."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.broker import JobSender
from app.container import Container
from app.schemas.jobs import SHARES, SendMail
from app.services.jobs import JobService
from app.utils.db.database import Database
from tests.faults.stack import Stack, running_stack
from tests.faults.upstream_stack import api, timed_get
from tests.fixtures.accounts import SignedIn
from tests.fixtures.jobs import EndlessImport, Table
from tests.standin import JikanStandin

pytestmark = [pytest.mark.fault, pytest.mark.xdist_group("job faults")]

UNKNOWN = range(101, 126)  # ids that MyAnimeList has and the catalogue does not


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    yield from running_stack(tmp_path, database_url)


@pytest.fixture
async def jobs(stack: Stack, database: Database) -> AsyncIterator[JobService]:
    sender = JobSender(stack.redis_url)
    yield JobService(database, sender)
    await sender.close()


@pytest.fixture
async def people(table: Table) -> list[int]:
    rows = await table.rows(
        "insert into users (username, email, password_hash)"
        " select 'person' || n, 'person' || n || '@x.test', 'x' from generate_series(1, 26) n returning id"
    )
    return [row.id for row in rows]


@pytest.mark.parametrize("importers", [1, 25])
async def test_a_mail_does_not_wait_for_25_imports(
    stack: Stack, jobs: JobService, table: Table, people: list[int], importers: int
) -> None:
    stack.worker()
    stack.scheduler()
    for number in range(25):
        await jobs.submit(EndlessImport(number), owner_id=people[number % importers])
    running = 1 if importers == 1 else SHARES["import"].slots
    async with asyncio.timeout(60):
        while (await table.statuses(EndlessImport.name)).get("running", 0) < running:  # noqa: ASYNC110  # in another process
            await asyncio.sleep(0.1)
    for recipient in (people[0], people[25]):
        mail = await jobs.submit(SendMail(recipient, "password_changed", "a"))
        await table.until_status(mail.id, "succeeded", seconds=5)
    assert (await table.statuses(EndlessImport.name))["running"] == running


async def ended(curator: httpx.AsyncClient, order: str, *, seconds: float) -> dict[str, Any]:
    accepted = await curator.post(order)
    assert accepted.status_code == 202, accepted.text
    async with asyncio.timeout(seconds):
        while True:
            job: dict[str, Any] = (await curator.get(accepted.json()["status_url"])).json()
            if job["status"] in {"succeeded", "failed"}:
                return job
            await asyncio.sleep(0.1)


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_readers_and_orders_do_not_wait_for_a_refresh_at_full(
    stack: Stack, jikan_standin: JikanStandin, table: Table, admin: SignedIn, container: Container
) -> None:
    jikan_standin.enforce()
    for first in range(1001, 33_586, 1629):
        await table.rows(
            "with added as (insert into anime (mal_id, title, status) select n, 'Title ' || n, 'finished'"
            " from generate_series(cast(:first as int), least(:first + 1628, 33585)) n returning id)"
            " insert into anime_syncs (anime_id, synced_at) select id, now() - interval '90 days' from added",
            first=first,
        )
    stack.env["JIKAN_BASE_URL"] = jikan_standin.base_url
    async with api(stack, jikan_standin) as one:
        stack.start("app.worker")
        stack.start("app.scheduler")
        one.http.headers.update(admin.headers)
        async with asyncio.timeout(150):
            while jikan_standin.stats().max_60s < 50:  # noqa: ASYNC110  # it counts elsewhere
                await asyncio.sleep(1)
        times = []
        for mal_id in UNKNOWN:
            read = await timed_get(one, f"/anime/mal/{mal_id}")
            assert read.answer.status_code == 200, read.answer.text
            times.append(read.seconds)
        assert max(times) < 4
        for order, seconds in (
            ("/anime/sync/777", 10),
            ("/anime/sync/top?limit=100", 20),
            (f"/anime/sync/{await _queued_as_upkeep(table)}", 10),
        ):
            begun = time.monotonic()
            job = await ended(one.http, order, seconds=60)
            assert job["status"] == "succeeded"
            assert time.monotonic() - begun < seconds, order
    figures = jikan_standin.stats()
    assert figures.max_1s <= 3
    assert figures.max_60s <= 60
    assert set(figures.by_mode) == {"ok"}


async def _queued_as_upkeep(table: Table) -> int:
    """The waiting title that would be refreshed last."""
    last = (
        "select arguments ->> 'mal_id' as mal_id from jobs where status = 'queued' and job_class = 'upkeep'"
    )
    rows = await table.rows(f"{last} and kind = 'anime.sync' order by turn desc limit 1")
    return int(rows[0].mal_id)
