"""Jobs are idempotent: a second run changes nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.config import Settings
from app.container import Container, build
from app.schemas.jobs import (
    JOBS,
    ForgetChanges,
    ForgetJobs,
    ForgetKeys,
    ImportList,
    Job,
    MatchEntries,
    PreviewImport,
    RefreshStale,
    SendMail,
    SyncAnime,
    SyncSeason,
    SyncTop,
    TidyAccounts,
    UndoImport,
)
from app.tasks import performer
from app.utils.db.database import Database
from tests.fixtures.jobs import Bell, Table
from tests.standin import JikanStandin

SAMPLES: list[Job] = [
    SyncAnime(5114),
    SyncTop(25),
    SyncSeason(1971, "winter"),
    RefreshStale(),
    ForgetJobs(),
    SendMail(1, "password_changed", "a nonce"),
    TidyAccounts(),
    MatchEntries(),
    ForgetKeys(),
    ForgetChanges(),
]
# Need a file or an import beside them; the tests of imports run them twice.
ELSEWHERE = {ImportList, PreviewImport, UndoImport}
# When something was done last, and how often the catalogue was written, may move on.
MOVING = {"synced_at", "updated_at"}
LEFT_OUT = {"jobs", "catalogue_version", "marks"}


@pytest.fixture
async def services(
    settings: Settings, jikan_standin: JikanStandin, database: Database, bell: Bell
) -> AsyncIterator[Container]:
    at_the_standin = settings.model_copy(update={"jikan_base_url": jikan_standin.base_url})
    async with build(at_the_standin, db=database, queue=bell) as services:
        yield services


def test_every_kind_has_a_sample() -> None:
    ours = {kind for kind in JOBS.values() if kind.__module__.startswith("app.")}
    assert {type(sample) for sample in SAMPLES} == ours - ELSEWHERE


@pytest.mark.parametrize("job", SAMPLES, ids=lambda job: job.name)
async def test_a_second_run_changes_nothing(services: Container, table: Table, job: Job) -> None:
    snapshots = []
    for _ in range(2):
        made = await services.jobs.submit(job)
        await services.jobs.run(made.id, performer(services))
        row = await table.job(made.id)
        assert (row.status, row.error) == ("succeeded", None)
        snapshots.append(await everything(table))
    assert snapshots[0] == snapshots[1]


async def everything(table: Table) -> dict[str, list[Any]]:
    names = await table.rows("select tablename from pg_tables where schemaname = 'public'")
    return {name: await contents(table, name) for (name,) in names if name not in LEFT_OUT}


async def contents(table: Table, name: str) -> list[Any]:
    rows = await table.rows(f'select to_jsonb(t) as row from "{name}" t order by 1')
    return [{key: value for key, value in row.row.items() if key not in MOVING} for row in rows]
