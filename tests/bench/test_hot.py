"""Writes, own pages, titles and searches cost at most a bounded multiple of bare statements."""

import sys
from pathlib import Path

import asyncpg
import pytest

from app.utils.processes.embedded import ServerUrls
from tests.bench.catalogue import Place, real_or_made
from tests.bench.hot import measure, settle, table
from tests.factories.catalogue import store_titles
from tests.fixtures.servers import Clones

pytestmark = [pytest.mark.bench, pytest.mark.xdist_group("bench")]


async def test_hot_paths_reach_their_share_of_the_floor(
    clones: Clones, servers: ServerUrls, tmp_path: Path
) -> None:
    place = Place(await clones.make(), servers.redis_url, tmp_path)
    connection = await asyncpg.connect(place.dsn)
    await store_titles(connection, real_or_made())
    await connection.close()
    measured = await measure(place, await settle(place), rounds=2, seconds=0.5)
    sys.stderr.write(f"\n{table(measured)}\n")
    short = {one.row.title: one.ratio for one in measured if one.ratio < one.row.required}
    assert short == {}
