"""Pages stay cached while stale titles are refreshed."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import httpx
import pytest

from app.config import Settings
from app.container import Container, build
from app.main import create_app
from app.schemas.domain.anime import UpstreamAnime
from app.services.catalogue.ingest import CatalogueIngest

TITLES = 40
SECONDS = 8.0

Refresh = Callable[[UpstreamAnime, int], UpstreamAnime]


def title(mal_id: int) -> UpstreamAnime:
    return UpstreamAnime(title=f"T{mal_id}", mal_id=mal_id, status="airing", score=7.0, members=1000)


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """An API like that of a separate process: it learns of changes through Redis only."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            for _ in range(400):
                if (await client.get("/anime")).status_code == 200:
                    break
                await asyncio.sleep(0.05)
            yield client


@pytest.fixture
async def worker(settings: Settings) -> AsyncIterator[Container]:
    async with build(settings) as container:
        yield container


REFRESHES: dict[str, Refresh] = {
    "unchanged": lambda told, _: told,
    "statistics move": lambda told, turn: replace(told, members=1000 + turn, score=7 + turn % 100 / 100),
    "everything moves": lambda told, turn: replace(told, synopsis=str(turn), synonyms=(f"S{turn}",)),
}


@pytest.mark.parametrize("kind", REFRESHES)
async def test_a_repeated_page_comes_from_memory_while_the_refresh_runs(
    api: httpx.AsyncClient, worker: Container, kind: str
) -> None:
    ingest = CatalogueIngest(worker.db, worker.catalogue.events)
    await ingest.store([title(mal_id) for mal_id in range(1, TITLES + 1)])
    await asyncio.sleep(0.5)
    before = await figures(api)
    version = await worker.db.scalar("select version from catalogue_version")
    asking = asyncio.create_task(ask_repeatedly(api))
    started, turn = time.monotonic(), 0
    while time.monotonic() - started < SECONDS:
        turn += 1
        await ingest.store([REFRESHES[kind](title(turn % TITLES + 1), turn)])
        await asyncio.sleep(0.5)
    await asking

    after = await figures(api)
    asked = sum(after.values()) - sum(before.values())
    assert asked > 50
    assert (after["hit"] - before["hit"]) / asked >= 0.9
    moved = await worker.db.scalar("select version from catalogue_version") - version
    assert moved == (0 if kind == "unchanged" else turn)


async def ask_repeatedly(api: httpx.AsyncClient) -> None:
    started = time.monotonic()
    while time.monotonic() - started < SECONDS:
        assert (await api.get("/anime?status=airing&limit=20")).headers["X-Total-Count"] == str(TITLES)
        await asyncio.sleep(0.03)


async def figures(api: httpx.AsyncClient) -> dict[str, float]:
    text = (await api.get("/metrics")).text
    found = re.findall(r'^anisync_cache_requests_total\{cache="answers",outcome="(\w+)"\} (\S+)', text, re.M)
    return {outcome: float(count) for outcome, count in found}


async def test_the_page_of_a_title_never_waits_for_its_change_to_show(
    api: httpx.AsyncClient, worker: Container
) -> None:
    ingest = CatalogueIngest(worker.db, worker.catalogue.events)
    await ingest.store([title(1)])
    for turn in range(1, 9):
        await ingest.store([replace(title(1), members=turn)])
        async with asyncio.timeout(2):
            while (await api.get("/anime/1")).json()["members"] != turn:  # noqa: ASYNC110  # it has no word
                await asyncio.sleep(0.01)
