"""The cost of a catalogue page, cached or not, of small and large catalogues, is bounded."""

# Processor time of the server and PostgreSQL together is compared: it limits the throughput of a core, and
# other tests on the machine do not affect it. `python -m tests.bench catalogue` prints rates as well.

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.utils.processes.embedded import ServerUrls
from tests.bench.catalogue import (
    FILTERED,
    SMALL,
    Place,
    compare_filtered,
    compare_kept,
    compare_sizes,
    real_or_made,
    table,
)
from tests.factories.catalogue import Title, store_titles
from tests.fixtures.servers import Clones

pytestmark = [pytest.mark.bench, pytest.mark.xdist_group("bench")]

_SHORT: dict[str, Any] = {"rounds": 2, "seconds": 0.8}


@pytest.fixture(scope="module")
def titles() -> list[Title]:
    return real_or_made()


async def _place(clones: Clones, servers: ServerUrls, home: Path, titles: list[Title]) -> Place:
    place = Place(await clones.make(), servers.redis_url, home)
    connection = await asyncpg.connect(place.dsn)
    await store_titles(connection, titles)
    await connection.close()
    return place


@pytest.fixture(scope="module")
async def large(
    clones: Clones, servers: ServerUrls, titles: list[Title], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    place = await _place(clones, servers, tmp_path_factory.mktemp("large"), titles)
    yield place
    await clones.drop(place.database_url)


@pytest.fixture(scope="module")
async def small(
    clones: Clones, servers: ServerUrls, titles: list[Title], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    place = await _place(clones, servers, tmp_path_factory.mktemp("small"), titles[:: len(titles) // SMALL])
    yield place
    await clones.drop(place.database_url)


async def test_an_uncached_filtered_page(large: Place) -> None:
    floor, ours = await compare_filtered(large, **_SHORT)
    assert floor.cost / ours.cost >= 0.5, table([floor, ours], floor)


async def test_a_cached_page_and_an_unchanged_one(large: Place) -> None:
    rows = await compare_kept(large, **_SHORT)
    bare, framework, ours, inside, framework_304, ours_304, inside_304 = rows
    shown = table(rows, framework)
    assert framework.cost / ours.cost >= 0.8, shown
    assert framework_304.cost / ours_304.cost >= 0.8, shown
    assert inside.cost > ours.cost, "then it would not need to stand in front of the router"
    assert inside_304.cost > ours_304.cost
    assert bare.cost < framework.cost, "that floor is none"


async def test_pages_of_a_large_catalogue_cost_no_more(small: Place, large: Place) -> None:
    paths = ["/anime", FILTERED, "/anime?type=TV&status=finished&min_score=7"]
    for few, many in await compare_sizes(small, large, paths, **_SHORT):
        assert many.cost / few.cost < 1.3, f"{few.path}\n{table([few, many], few)}"
