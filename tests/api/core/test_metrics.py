"""`/metrics`: access, content, and a PostgreSQL outage."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.config import Settings
from app.container import Container, build
from app.main import create_app
from app.schemas.jobs import SyncAnime
from app.utils.db.database import Database
from tests.fixtures.processes import python

TOKEN = "a token for the one who reads figures"


def figures(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(**values: str) -> frozenset[tuple[str, str]]:
    return frozenset(values.items())


async def test_requests_are_labelled_by_route_template(client: httpx.AsyncClient) -> None:
    await client.get("/health/live")
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = figures(answer.text)
    asked = labels(method="GET", endpoint="/health/live")
    assert found["anisync_requests_total", asked | labels(status="200")] >= 1
    assert found["anisync_request_duration_seconds_count", asked] >= 1


async def test_metric_names_have_the_prefix(client: httpx.AsyncClient) -> None:
    text = (await client.get("/metrics")).text
    names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert {
        name for name in names if not name.startswith(("anisync_", "anilibria_", "python_", "process_"))
    } == set()
    assert {"anisync_upstream_calls_total", "anisync_upstream_wait_seconds", "anisync_pool_limit"} <= names


async def test_jobs_are_counted_by_kind_and_state(client: httpx.AsyncClient, container: Container) -> None:
    async with container.db.transaction() as tx:
        for mal_id in (1, 2, 3):
            await container.jobs.enqueue(tx, SyncAnime(mal_id))
    async with container.db.transaction() as tx:
        statement = "update jobs set status = 'failed' where key = 'anime.sync:2'"
        await (await tx.session.connection()).exec_driver_sql(statement)
    found = figures((await client.get("/metrics")).text)
    assert found["anisync_jobs", labels(kind="anime.sync", status="queued")] == 2
    assert found["anisync_jobs", labels(kind="anime.sync", status="failed")] == 1
    assert found["anisync_jobs_overdue_seconds", labels()] > 0


async def test_attempts_at_jobs_are_counted(client: httpx.AsyncClient, container: Container) -> None:
    def ended(text: str, outcome: str) -> float:
        return figures(text).get(
            ("anisync_job_attempts_total", labels(kind="anime.sync", outcome=outcome)), 0
        )

    async def succeed(*_: object) -> None:
        return None

    async def fail(*_: object) -> None:
        raise RuntimeError

    before = (await client.get("/metrics")).text
    for mal_id, perform in ((1, succeed), (2, succeed), (3, fail)):
        job = await container.jobs.submit(SyncAnime(mal_id))
        await container.jobs.run(job.id, perform)
    after = (await client.get("/metrics")).text
    assert ended(after, "succeeded") == ended(before, "succeeded") + 2
    assert ended(after, "retried") == ended(before, "retried") + 1


async def test_pool_metrics_show_its_load(client: httpx.AsyncClient, database: Database) -> None:
    measured = asyncio.Event()
    held = asyncio.Semaphore(0)

    async def hold() -> None:
        async with database.driver():
            held.release()
            await measured.wait()

    holders = [asyncio.create_task(hold()) for _ in range(15)]
    for _ in holders:
        await held.acquire()
    waiters = [asyncio.create_task(hold()) for _ in range(2)]
    await asyncio.sleep(0.01)  # both have asked for a connection
    found = figures((await client.get("/metrics")).text)
    measured.set()
    await asyncio.gather(*holders)
    await asyncio.gather(*waiters, return_exceptions=True)  # on a slow machine they have given up
    assert found["anisync_pool_limit", labels()] == 15
    assert found["anisync_pool_connections", labels(state="in_use")] == 15
    # the two left over, and this scrape, which counts jobs
    assert found["anisync_pool_waiting", labels()] >= 2
    assert "anisync_jobs" not in {name for name, _ in found}
    for _ in range(100):  # the first scrape is still counting jobs
        found = figures((await client.get("/metrics")).text)
        if found["anisync_pool_connections", labels(state="in_use")] == 0:
            break
        await asyncio.sleep(0.1)
    assert found["anisync_pool_connections", labels(state="in_use")] == 0
    assert found["anisync_pool_waiting", labels()] == 0


@pytest.fixture
async def guarded(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with a metrics token, whose PostgreSQL is down."""
    changed = {"metrics_token": TOKEN, "database_url": "postgresql+asyncpg://a@127.0.0.1:9/a"}
    guarded = Settings(_env_file=None, **{**settings.model_dump(exclude_none=True), **changed})
    async with build(guarded) as container:
        transport = httpx.ASGITransport(app=create_app(guarded, container=container))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client


@pytest.mark.parametrize(
    "authorization", [None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", b"Bearer \xff"]
)
async def test_a_configured_token_is_required(
    guarded: httpx.AsyncClient, authorization: str | bytes | None
) -> None:
    headers: Any = {} if authorization is None else {"Authorization": authorization}
    answer = await guarded.get("/metrics", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "AUTH_ERROR"
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_without_postgresql_only_its_gauges_are_missing(guarded: httpx.AsyncClient) -> None:
    answer = await guarded.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    names = {name for name, _ in figures(answer.text)}
    assert "anisync_jobs" not in names
    assert {"anisync_requests_total", "anisync_pool_limit"} <= names


COUNT = """
import sys
from app.utils.metrics import POOL_WAITING, Snapshot, as_text, observe_request

observe_request("GET", "/anime", 200, 0.01)
POOL_WAITING.set(2)
snapshot = Snapshot()
snapshot.add("anisync_jobs", "Jobs.", ["kind", "status"], [(["a", "queued"], 3)])
sys.stdout.buffer.write(as_text(snapshot))
"""


async def test_processes_aggregate_in_a_folder(tmp_path: Path) -> None:
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            *python(COUNT), stdout=asyncio.subprocess.PIPE, env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        )
        text, _ = await process.communicate()
    found = figures(text.decode())
    assert found["anisync_requests_total", labels(method="GET", endpoint="/anime", status="200")] == 3
    assert found["anisync_pool_waiting", labels()] == 6
    assert found["anisync_jobs", labels(kind="a", status="queued")] == 3


class FailingOnce(Database):
    """Fails the first time its metrics are read."""

    noted = 0

    def update_metrics(self) -> None:
        self.noted += 1
        if self.noted == 1:
            raise ZeroDivisionError("no figures")


async def test_gauges_are_updated_again_after_a_failure(
    settings: Settings, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    failing = FailingOnce(database.engine)
    async with build(settings, db=failing):
        for _ in range(100):
            if failing.noted > 1:
                break
            await asyncio.sleep(0.1)
    assert failing.noted > 1
    assert "ZeroDivisionError: no figures" in caplog.text
