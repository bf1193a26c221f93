"""Erasing an account during its jobs and requests: no deadlock, no failure, no leftovers."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.container import Container
from app.models import Base
from app.repositories.ownership import OWNED
from app.services.library.downloads import Downloads
from app.services.library.imports import ImportService
from app.services.library.reading import ListReader
from app.tasks import performer
from tests.fixtures.accounts import PASSWORD, SignedIn, make_account
from tests.fixtures.importing import IMPORT, long_list, run_queued, upload

ROWS, CHUNK = 400, 5

Act = Callable[[httpx.AsyncClient, Container, dict[str, str]], Awaitable[Any]]


@pytest.fixture
def small(container: Container) -> Container:
    """Jobs with many short transactions."""
    imports = ImportService(container.db, container.jobs, ListReader(), Downloads(), chunk=CHUNK)
    return replace(container, library=replace(container.library, imports=imports))


async def run_import(client: httpx.AsyncClient, small: Container, headers: dict[str, str]) -> None:
    async with small.db.transaction() as tx:  # so that the import changes and locks them
        await tx.session.execute(text("update entries set progress = 0, version = version + 1"))
    begun = await client.post(IMPORT, files=upload(long_list(ROWS)), headers=headers)
    if begun.status_code == 202:  # otherwise the account is gone already
        await small.jobs.run(begun.json()["job_id"], performer(small))


async def run_preview(client: httpx.AsyncClient, small: Container, headers: dict[str, str]) -> None:
    content = upload(long_list(501))
    begun = await client.post(f"{IMPORT}/preview", files=content, headers=headers)
    if begun.status_code == 202:
        await small.jobs.run(begun.json()["job_id"], performer(small))


async def run_undo(client: httpx.AsyncClient, small: Container, headers: dict[str, str]) -> None:
    for job in (await client.get("/jobs", headers=headers)).json():
        begun = await client.post(f"{IMPORT}/{job['id']}/undo", headers=headers)
        if begun.status_code == 202:
            await small.jobs.run(begun.json()["job_id"], performer(small))


async def request_until_erased(client: httpx.AsyncClient, _: Container, headers: dict[str, str]) -> None:
    """Exports, uploads and playback reports, until the account is gone."""
    progress = {"anime_id": 1, "episode": 1, "progress_percent": 95}
    while True:
        answers = await asyncio.gather(
            client.get("/users/me/export", headers=headers),
            client.get("/users/me/export?format=json", headers=headers),
            client.post("/watch/progress", json=progress, headers=headers),
            client.post(IMPORT, files=upload(long_list(1)), headers=headers),
            client.post("/favorites", json={"anime_id": 2}, headers=headers),
        )
        statuses = {answer.status_code for answer in answers}
        assert max(statuses) < 500, [answer.text for answer in answers]
        if statuses == {401}:
            return


async def prepared(client: httpx.AsyncClient, container: Container) -> SignedIn:
    """A user who has half of the titles already, from an import."""
    user = await make_account(container)
    client.headers.update(user.headers)
    begun = await client.post(IMPORT, files=upload(long_list(ROWS // 2)))
    await run_queued(container, client, begun)
    client.headers.pop("Authorization")
    return user


async def left_of(container: Container, user_id: int) -> dict[str, int]:
    left = {}
    for name, owned in OWNED.items():
        if owned.parent is None:
            sql = f"select count(*) from {name} where {owned.by} = :id"
        else:
            sql = f"select count(*) from {name} p where not exists (select from {owned.parent})"
        left[name] = await container.db.scalar(sql, {"id": user_id} if owned.parent is None else {})
    return {name: count for name, count in left.items() if count}


REPORTED = "select count(*) from import_reports r join jobs j on j.id = r.job_id where j.status = 'running'"
TAKEN_BACK = "select count(*) from entry_changes where origin = 'undo'"
ASKED = "select count(*) from watch_progress"


async def until(container: Container, sql: str, count: int, work: "asyncio.Task[Any]") -> None:
    async with asyncio.timeout(60):
        while await container.db.scalar(sql) < count:
            assert not work.done(), "it was over before the account was erased"
            await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    ("act", "begun"),
    [
        (run_import, REPORTED),
        (run_preview, REPORTED),
        (run_undo, TAKEN_BACK),
        (request_until_erased, ASKED),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_an_account_is_erased_during_its_jobs_and_requests(
    client: httpx.AsyncClient, container: Container, small: Container, act: Act, begun: str
) -> None:
    async with small.db.transaction() as tx:
        await tx.session.execute(text("insert into anime (mal_id, title) values (1, 'One'), (2, 'Two')"))
    for _ in range(2):
        user = await prepared(client, container)
        work = asyncio.ensure_future(act(client, small, user.headers))
        await until(small, begun, 1, work)
        answer = await client.request(
            "DELETE", "/users/me", json={"password": PASSWORD}, headers=user.headers
        )
        assert answer.status_code == 204, answer.text
        async with asyncio.timeout(60):
            await work
        assert await left_of(small, user.id) == {}
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    assert await small.db.scalar(deadlocks) == 0


async def test_a_long_list_is_erased_within_the_statement_timeout(
    client: httpx.AsyncClient, container: Container, user: SignedIn
) -> None:
    async with container.db.transaction() as tx:
        await tx.session.execute(
            text(
                "insert into entries (user_id, media_type, mal_id, title, status) "
                "select :id, 'anime', n, 'T' || n, 'watching' from generate_series(1, 5001) n"
            ),
            {"id": user.id},
        )
    answer = await client.request("DELETE", "/users/me", json={"password": PASSWORD}, headers=user.headers)
    assert answer.status_code == 204
    assert await left_of(container, user.id) == {}


def test_every_table_with_user_data_is_checked() -> None:
    assert {name for name in OWNED if name not in Base.metadata.tables} == set()
