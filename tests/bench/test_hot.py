"""The hot paths keep what they reached of their floors."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.utils.processes.embedded import ServerUrls
from tests.bench.catalogue import Place, real_or_made
from tests.bench.hot import ROWS, measure, settle, table
from tests.factories.catalogue import store_titles
from tests.fixtures.servers import Clones

pytestmark = [pytest.mark.bench, pytest.mark.xdist_group("bench")]


@pytest.fixture
async def place(
    clones: Clones, servers: ServerUrls, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    place = Place(await clones.make(), servers.redis_url, tmp_path_factory.mktemp("hot"))
    connection = await asyncpg.connect(place.dsn)
    await store_titles(connection, real_or_made())
    await connection.close()
    yield place
    await clones.drop(place.database_url)


async def test_hot_paths_keep_their_share_of_the_floor(place: Place) -> None:
    bound = [row for row in ROWS if row.bound is not None]
    measured = await measure(place, await settle(place), bound, rounds=2, seconds=0.8)
    missed = [one.row.title for one in measured if one.row.bound and one.ratio < one.row.bound]
    assert not missed, f"{missed}\n{table(measured)}"
