"""A hot title costs hardly more than a bare FastAPI route with the same bytes, limits included."""

from pathlib import Path

import pytest

from app.utils.processes.embedded import ServerUrls
from tests.bench.catalogue import Place, table
from tests.bench.releases import compare_hot_title
from tests.fixtures.servers import Clones

pytestmark = [pytest.mark.bench, pytest.mark.xdist_group("bench")]


async def test_a_hot_title(clones: Clones, servers: ServerUrls, tmp_path: Path) -> None:
    place = Place(await clones.make(), servers.redis_url, tmp_path)
    floor, ours = await compare_hot_title(place, rounds=2, seconds=0.8)
    await clones.drop(place.database_url)
    assert floor.cost / ours.cost >= 0.8, table([floor, ours], floor)
