"""A request for recommendations costs no more than three pages of the catalogue, for a long list too."""

import statistics
import time
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from sqlalchemy import text

from app.container import Container
from app.utils.processes.embedded import ServerUrls
from tests.bench.catalogue import ANEW, real_or_made
from tests.fixtures.accounts import make_account
from tests.fixtures.catalogue import client_on, stocked
from tests.fixtures.servers import Clones

pytestmark = [pytest.mark.bench, pytest.mark.xdist_group("bench")]

_ROUNDS = 60
_LISTS, _LISTED = 60, 200
_SHORT, _LONG = 300, 5000

Served = tuple[httpx.AsyncClient, Container]


@pytest.fixture(scope="module")
async def served(clones: Clones, servers: ServerUrls) -> AsyncIterator[Served]:
    """The whole catalogue, and a model of some lists."""
    async with (
        stocked(clones, real_or_made()) as stock,
        client_on(stock.url, servers.redis_url) as (client, container),
    ):
        for number in range(_LISTS):
            await _listing(container, _LISTED, seed=number)
        summary = await container.recommendations.refits.run()
        assert summary.lists == _LISTS
        yield client, container


async def _listing(container: Container, count: int, *, seed: int) -> dict[str, str]:
    """The headers of a new account with ``count`` titles on its list, mostly popular ones."""
    who = await make_account(container)
    async with container.db.transaction() as tx:
        await tx.session.execute(
            text(
                """
                insert into entries (user_id, media_type, anime_id, status, score)
                select :user_id, 'anime', id, 'completed', 50 + 10 * (id % 6)
                from (select id, popularity from anime order by popularity limit 12000) known
                order by (popularity + 20) * (1 + (hashint4(id + :seed) & 1023)) limit :count
                """
            ),
            {"user_id": who.id, "seed": seed * 7919, "count": count},
        )
    return who.headers


@pytest.mark.parametrize("count", [_SHORT, _LONG])
async def test_a_request_is_within_three_pages_of_the_catalogue(served: Served, count: int) -> None:
    client, container = served
    headers = ANEW | await _listing(container, count, seed=100_000)
    pages = [f"/anime?sort=-score&limit=10&offset={start}" for start in range(_ROUNDS)]
    asked = ["/users/me/recommendations"] * _ROUNDS
    await client.get(asked[0], headers=headers)  # computes and caches it
    page, recommended = await _medians(client, headers, pages, asked)
    assert recommended <= 3 * page, f"{1000 * recommended:.2f} ms against {1000 * page:.2f} ms of a page"


async def _medians(client: httpx.AsyncClient, headers: dict[str, str], *kinds: Sequence[str]) -> list[float]:
    """Seconds of each kind of request, alternating."""
    taken: list[list[float]] = [[] for _ in kinds]
    for paths in zip(*kinds, strict=True):
        for kind, path in enumerate(paths):
            began = time.perf_counter()
            answer = await client.get(path, headers=headers)
            taken[kind].append(time.perf_counter() - began)
            assert len(answer.json()) == 10
    return [statistics.median(times) for times in taken]
