"""The cost of a hot title relative to a route with constant bytes: `python -m tests.bench releases`."""

import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from app.config import Settings
from app.container import build
from app.external.anilibria.mapping import map_release
from app.services.releases.ingest import store_releases
from app.utils.processes.embedded import EmbeddedServers
from tests.bench.catalogue import Place, make_place, table
from tests.bench.contestants import settings_of
from tests.bench.stage import Ask, Contestant, in_turns, on_stage
from tests.standin.anilibria import made_episode, made_release

TITLE, EPISODES = 9919, 24
PATH = f"/api/anilibria/v2/titles/{TITLE}"
CONNECTIONS, IN_A_ROW = 16, 10
CLIENTS = 800  # so many that each stays below its limit of a hundred requests a minute


async def store_title(settings: Settings) -> None:
    """Store a release as if it had just been fetched."""
    release = made_release(TITLE)
    release["episodes"] = [made_episode(TITLE, number) for number in range(1, EPISODES + 1)]
    async with build(settings) as container, container.db.transaction() as tx:
        mapped = map_release(release, site="https://anilibria.test")
        await store_releases(tx, [mapped], at=datetime.now(UTC))


async def compare_hot_title(place: Place, *, rounds: int, seconds: float) -> list[Contestant]:
    """A bare FastAPI route with the same bytes, then ours for many clients."""
    order = {
        "database_url": place.database_url,
        "redis_url": place.redis_url,
        "home": str(place.home),
    }
    await store_title(settings_of(order))
    async with AsyncExitStack() as stack:
        port, process = await stack.enter_async_context(on_stage("ours", order))
        ours = Contestant("ours", port, process, place.dsn, asks=_asks())
        await ours.ask()
        body = place.home / "title.json"
        body.write_bytes((await ours.ask()).content)
        floor_order = {**order, "body": str(body)}
        port, process = await stack.enter_async_context(on_stage("fastapi_memory", floor_order))
        floor = Contestant("bare FastAPI", port, process, place.dsn)
        if (await floor.ask()).content != (await ours.ask()).content:
            raise AssertionError("the two do not answer the same bytes")
        await in_turns([floor, ours], rounds=rounds, seconds=seconds, connections=CONNECTIONS)
        return [floor, ours]


def _asks() -> Sequence[Ask]:
    """Each connection sends ten requests of one client, then ten of the next."""
    return [
        Ask(PATH, {"x-forwarded-for": f"198.51.{turn}.{connection + 1}"})
        for turn in range(CLIENTS // CONNECTIONS)
        for _ in range(IN_A_ROW)
        for connection in range(CONNECTIONS)
    ]


async def main() -> None:
    """Print the table."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServers(Path(folder) / "servers", fast=True) as urls,
    ):
        place = await make_place(urls, Path(folder), "bench_releases", [])
        rows = await compare_hot_title(place, rounds=3, seconds=1)
        print(table(rows, rows[0]))  # noqa: T201  # the table is what was asked for
