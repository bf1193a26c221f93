"""Two schedulers and several workers poll AniLibria, and one of them is killed in the middle of a poll."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.config import Settings
from app.container import Container, build
from app.schemas.events import EpisodeReleased
from app.utils.db.database import Database
from tests.faults.stack import Stack, running_stack
from tests.standin import AniLibriaStandin
from tests.standin.anilibria import made_episode

pytestmark = [pytest.mark.fault, pytest.mark.soak]

V2 = "/api/anilibria/v2"
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    yield from running_stack(tmp_path, database_url)


@pytest.fixture
async def writer(
    settings: Settings, stack: Stack, database: Database, anilibria_standin: AniLibriaStandin
) -> AsyncIterator[Container]:
    """Another process, which stores what happens."""
    changed = {"redis_url": stack.redis_url, "anilibria_base_url": anilibria_standin.base_url}
    async with build(settings.model_copy(update=changed), db=database) as container:
        yield container


async def _episodes(writer: Container) -> list[tuple[int, float]]:
    stored = [one.event for one in await writer.events.read("releases", after=0)]
    return sorted((one.title_id, one.ordinal) for one in stored if isinstance(one, EpisodeReleased))


async def test_a_worker_killed_between_fetch_and_commit_loses_and_repeats_no_event(
    stack: Stack, writer: Container, anilibria_standin: AniLibriaStandin
) -> None:
    """Two schedulers and several workers poll; the first worker dies while it waits to store what it read."""
    await writer.releases.following.poll()
    settings = {"ANILIBRIA_BASE_URL": anilibria_standin.base_url, "ANILIBRIA_POLL_SECONDS": "1"}
    now = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    episodes = [{**made_episode(100, one), "updated_at": now} for one in (1, 2, 2.5, 3, 4)]
    anilibria_standin.change(100, episodes=episodes, fresh_at=now)

    def start(program: str) -> Any:
        return stack.start("tests.faults.programs", program, **settings)

    def fetched() -> bool:
        return bool(
            anilibria_standin.calls(lambda call: call.target.partition("?")[0].endswith("/releases/100"))
        )

    async with writer.db.transaction() as tx:
        await tx.session.execute(text("select 1 from release_polls for update"))
        start("scheduler")
        start("scheduler")
        first = start("worker")
        waiting = text("select count(*) from pg_locks where not granted and locktype = 'transactionid'")
        async with asyncio.timeout(60):
            while not (await tx.session.scalar(waiting) and fetched()):
                assert first.alive, first.log_file.read_text()
                await asyncio.sleep(0.1)
        first.kill()
    start("worker")
    start("worker")
    async with asyncio.timeout(60):
        while not await _episodes(writer):  # noqa: ASYNC110  # another process stores it
            await asyncio.sleep(0.1)
    now = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    episodes.append({**made_episode(100, 5), "updated_at": now})
    anilibria_standin.change(100, episodes=episodes, fresh_at=now)
    async with asyncio.timeout(60):
        while len(await _episodes(writer)) < 2:  # noqa: ASYNC110  # another process stores it
            await asyncio.sleep(0.1)
    await asyncio.sleep(3)  # some more polls
    assert await _episodes(writer) == [(100, 4), (100, 5)]
