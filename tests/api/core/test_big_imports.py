"""Imports too long for a request: dry runs, undo and reports as jobs; upload limits."""

import asyncio
import csv
import gc
import gzip
import time
from io import StringIO
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.container import Container
from app.services.library.imports import UPLOADS
from app.tasks import performer
from tests.fixtures.accounts import SignedIn
from tests.fixtures.importing import IMPORT, long_list, run_queued, undo_import, upload

ACTIONS = ("added", "updated", "unchanged", "skipped", "failed")


async def report_of(mine: httpx.AsyncClient, job_id: int) -> dict[str, Any]:
    answer = await mine.get(f"{IMPORT}/{job_id}/report")
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    assert [report[action] for action in ACTIONS] == [
        sum(row["action"] == action for row in report["rows"]) for action in ACTIONS
    ]
    return report


async def count(container: Container, table: str) -> int:
    return int(await container.db.scalar(f"select count(*) from {table}"))


@pytest.mark.parametrize("path", ["?dry_run=true", "/preview"])
@pytest.mark.parametrize(("rows", "status"), [(1, 200), (500, 200), (501, 202), (1300, 202)])
async def test_a_dry_run_of_more_than_500_rows_is_a_job(
    mine: httpx.AsyncClient, container: Container, path: str, rows: int, status: int
) -> None:
    answer = await mine.post(f"{IMPORT}{path}", files=upload(long_list(rows)))
    assert answer.status_code == status, answer.text
    report = answer.json()
    if status == 202:
        job = await run_queued(container, mine, answer)
        assert (job["status"], job["progress"]) == ("succeeded", {"done": rows, "total": rows})
        report = await report_of(mine, job["id"])
        assert (await mine.post(f"{IMPORT}/{job['id']}/undo")).status_code == 409
    assert report["added"] == len(report["rows"]) == rows
    assert [row["line"] for row in report["rows"]] == list(range(1, rows + 1))
    assert await count(container, "entries") == await count(container, "entry_changes") == 0


async def test_the_report_of_a_long_dry_run_is_that_of_the_import(
    mine: httpx.AsyncClient, container: Container
) -> None:
    await run_queued(container, mine, await mine.post(IMPORT, files=upload(long_list(300))))
    content = gzip.compress(
        gzip.decompress(long_list(700)).replace(
            b"</myanimelist>", b"<anime><my_status>?</my_status></anime></myanimelist>"
        )
    )
    foreseen = await run_queued(container, mine, await mine.post(f"{IMPORT}/preview", files=upload(content)))
    done = await run_queued(container, mine, await mine.post(IMPORT, files=upload(content)))
    report = await report_of(mine, done["id"])
    assert await report_of(mine, foreseen["id"]) == report
    assert (report["added"], report["unchanged"], report["failed"]) == (400, 300, 1)
    answer = await mine.get(f"{IMPORT}/{done['id']}/report?format=csv")
    rows = list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["action"] for row in rows] == [row["action"] for row in report["rows"]]


async def test_undo_is_a_job_that_happens_once(mine: httpx.AsyncClient, container: Container) -> None:
    done = await run_queued(container, mine, await mine.post(IMPORT, files=upload(long_list(1100))))
    asked = [await mine.post(f"{IMPORT}/{done['id']}/undo") for _ in range(2)]
    assert [answer.status_code for answer in asked] == [202, 202]
    assert asked[0].json()["job_id"] == asked[1].json()["job_id"]
    assert asked[0].json()["status_url"] == f"/jobs/{asked[0].json()['job_id']}"
    job = await run_queued(container, mine, asked[0])
    assert (job["status"], job["progress"]) == ("succeeded", {"done": 1100, "total": 1100})
    assert await count(container, "entries") == 0
    assert (await mine.post(f"{IMPORT}/{done['id']}/undo")).status_code == 409
    assert (await mine.post(f"{IMPORT}/{job['id']}/undo")).status_code == 404  # not an import


async def test_a_broken_file_that_only_the_worker_detects_is_a_failed_job(
    mine: httpx.AsyncClient, container: Container
) -> None:
    whole = gzip.decompress(long_list(4000))
    assert len(whole) > 1024 * 1024
    job = await run_queued(container, mine, await mine.post(IMPORT, files=upload(whole[:-500])))
    assert job["status"] == "failed"
    assert "cannot be parsed" in job["error"]
    assert (await report_of(mine, job["id"]))["rows"] == []
    refused = await mine.post(f"{IMPORT}/preview", files=upload(whole[:-500]))
    assert refused.status_code == 422


@pytest.mark.parametrize("path", ["", "?dry_run=true", "/preview"])
@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"no list at all, " * 200_000, 422),
        (b"\x89PNG\r\n\x1a\n" + b"\x00\xff" * 1_000_000, 422),
        (gzip.compress(b"no list at all, " * 200_000), 422),
        (gzip.compress(b"<" + b" " * (101 * 1024 * 1024), compresslevel=1), 413),
        (gzip.compress(b"[" + b"[]," * 2_000_001, compresslevel=1), 413),
    ],
    ids=["text", "picture", "packed text", "bomb", "too many parts"],
)
async def test_a_file_that_is_not_a_list_is_rejected_at_once_whatever_its_size(
    mine: httpx.AsyncClient, container: Container, path: str, content: bytes, status: int
) -> None:
    answer = await mine.post(f"{IMPORT}{path}", files=upload(content))
    assert (answer.status_code, answer.json()["code"]) == (
        status,
        {422: "VALIDATION_ERROR", 413: "PAYLOAD_TOO_LARGE"}[status],
    )
    assert await count(container, "jobs") == 0


async def failed_import(container: Container, mine: httpx.AsyncClient, rows: int, after: int) -> int:
    """An import that failed permanently after some of its rows; returns its job."""
    job_id = int((await mine.post(IMPORT, files=upload(long_list(rows)))).json()["job_id"])
    async with container.db.transaction() as tx:
        await tx.session.execute(
            text(
                """
                create function refuse() returns trigger language plpgsql as
                $$ begin raise exception 'no more'; end $$;
                """
            )
        )
        await tx.session.execute(
            text(
                f"create trigger refuse before insert on import_reports for each row "
                f"when (new.position >= {after}) execute function refuse()"
            )
        )
        await tx.session.execute(text("update jobs set attempts = 4"))
    await container.jobs.run(job_id, performer(container))
    async with container.db.transaction() as tx:
        await tx.session.execute(text("drop function refuse() cascade"))
    assert (await mine.get(f"/jobs/{job_id}")).json()["status"] == "failed"
    return job_id


async def test_a_failed_import_can_be_undone(mine: httpx.AsyncClient, container: Container) -> None:
    job_id = await failed_import(container, mine, rows=1200, after=1000)
    assert (await report_of(mine, job_id))["added"] == await count(container, "entries") == 1000
    assert await undo_import(container, mine, job_id) == 1000
    assert await count(container, "entries") == 0
    # a retry would import half of it again
    assert (await mine.post(f"/jobs/{job_id}/retry")).status_code == 409
    assert (await mine.get(f"/jobs/{job_id}")).json()["status"] == "failed"
    assert await count(container, "entries") == 0


async def test_a_failed_import_can_be_cancelled_and_undone(
    mine: httpx.AsyncClient, container: Container
) -> None:
    job_id = await failed_import(container, mine, rows=1500, after=1000)
    for _ in range(2):
        assert (await mine.post(f"{IMPORT}/{job_id}/cancel")).status_code == 204
    await mine.post(f"/jobs/{job_id}/retry")  # without the rows not reached
    await container.jobs.run(job_id, performer(container))
    report = await report_of(mine, job_id)
    assert (report["added"], report["skipped"]) == (1000, 500)
    assert await undo_import(container, mine, job_id) == 1000
    assert await count(container, "entries") == 0


async def test_an_import_awaiting_its_retry_cannot_be_undone(
    mine: httpx.AsyncClient, container: Container
) -> None:
    job_id = await failed_import(container, mine, rows=1500, after=1000)
    await mine.post(f"/jobs/{job_id}/retry")
    assert (await mine.post(f"{IMPORT}/{job_id}/undo")).status_code == 409
    await container.jobs.run(job_id, performer(container))
    assert (await report_of(mine, job_id))["added"] == 1500
    assert await undo_import(container, mine, job_id) == 1500


async def test_uploads_and_dry_runs_of_a_user_share_one_limit(
    mine: httpx.AsyncClient, container: Container, other_user: SignedIn
) -> None:
    paths = [IMPORT, f"{IMPORT}?dry_run=true", f"{IMPORT}/preview"]
    for turn in range(UPLOADS.limit):
        answer = await mine.post(paths[turn % 3], files=upload(long_list(1)))
        assert answer.status_code in (200, 202)
        assert answer.headers["RateLimit-Limit"] == "30"
        assert answer.headers["RateLimit-Remaining"] == str(29 - turn)
    for path in paths:
        refused = await mine.post(path, files=upload(long_list(1)))
        assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")
        assert 0 < int(refused.headers["Retry-After"]) <= 3600
        assert refused.headers["RateLimit-Remaining"] == "0"
    others = await mine.post(IMPORT, files=upload(long_list(1)), headers=other_user.headers)
    assert others.status_code == 202


class Watch:
    """Measures the longest uninterrupted run of the loop's thread.

    In processor time, so that other load does not count.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self.during = self.where = ""

    async def look(self) -> None:
        while True:
            begun = time.thread_time()
            await asyncio.sleep(0.001)
            if time.thread_time() - begun > self.longest:
                self.longest, self.where = time.thread_time() - begun, self.during


async def test_a_long_file_does_not_block_the_event_loop(
    mine: httpx.AsyncClient, container: Container
) -> None:
    """The request, the job, the downloads and the undo of one file run on one loop."""
    watch, content = Watch(), upload(long_list(4000))
    gc.freeze()  # as the worker does: the tests' own modules do not count
    looking = asyncio.create_task(watch.look())
    watch.during = "upload"
    begun = await mine.post(IMPORT, files=content)
    previewed = await mine.post(f"{IMPORT}/preview", files=content)
    watch.during = "import"
    done = await run_queued(container, mine, begun)
    watch.during = "dry run"
    await run_queued(container, mine, previewed)
    paths = [f"{IMPORT}/{done['id']}/report", f"{IMPORT}/{done['id']}/report?format=csv", "/users/me/export"]
    paths += [f"/users/me/export?format={name}" for name in ("mal_xml", "json", "csv")]
    for path in paths:
        watch.during = path
        assert (await mine.get(path)).status_code == 200
    watch.during = "undo"
    await undo_import(container, mine, done["id"])
    looking.cancel()
    assert watch.longest < 0.2, watch.where  # seconds; each of these used to take half a second or more
