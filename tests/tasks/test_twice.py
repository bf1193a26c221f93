"""Jobs are idempotent: a second run changes nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.config import Settings
from app.container import Container, build
from app.schemas.jobs import (
    JOBS,
    BackfillTotals,
    FitRecommendations,
    ForgetChanges,
    ForgetEvents,
    ForgetJobs,
    ForgetKeys,
    ImportList,
    ImportPublicList,
    Job,
    MatchEntries,
    PreviewImport,
    PushList,
    RefreshStale,
    SendMail,
    SyncAnime,
    SyncDue,
    SyncList,
    SyncSeason,
    SyncTop,
    TendAccounts,
    TidyAccounts,
    UndoImport,
)
from app.schemas.release_jobs import LinkReleases, MirrorReleases, NotifyNode, PollReleases, SyncRelease
from app.tasks import performer
from app.utils.db.database import Database
from tests.fixtures.jobs import RecordingQueue, Table
from tests.standin import AniLibriaStandin, JikanStandin

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
    ForgetEvents(),
    SyncDue(),
    TendAccounts(),
    LinkReleases(),
    MirrorReleases(),
    PollReleases(),
    SyncRelease(1, force=True),
]
# These need a file, an import, lists, or an account at a service: their own tests run them twice.
ELSEWHERE = {ImportList, PreviewImport, UndoImport, ImportPublicList, PushList, SyncList}
ELSEWHERE |= {BackfillTotals, FitRecommendations, NotifyNode}
# Times of the last run (or call), and the version of the catalogue, may change.
MOVING = {"synced_at", "updated_at", "fetched_at", "detailed_at", "polled_at", "mirrored_at"}
LEFT_OUT = {"jobs", "catalogue_version", "marks"}


@pytest.fixture
async def services(
    settings: Settings,
    jikan_standin: JikanStandin,
    anilibria_standin: AniLibriaStandin,
    database: Database,
    bell: RecordingQueue,
) -> AsyncIterator[Container]:
    upstreams = {"jikan_base_url": jikan_standin.base_url, "anilibria_base_url": anilibria_standin.base_url}
    async with build(settings.model_copy(update=upstreams), db=database, queue=bell) as services:
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
