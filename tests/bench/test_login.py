"""A sign-in costs as much as its hash, and does not delay others."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import httpx
import pytest

from app.services.accounts.password_hashing import PasswordHasher
from tests.faults.apis import Api, running_apis
from tests.faults.stack import running_stack
from tests.fixtures.accounts import PASSWORD

pytestmark = [pytest.mark.bench, pytest.mark.xdist_group("bench")]

_PEOPLE = 8
_ROUNDS = 3
_SOME = 48  # sign-ins per round


@pytest.fixture
async def api(tmp_path: Path, database_url: str) -> AsyncIterator[Api]:
    """An API process with eight accounts."""
    for stack in running_stack(tmp_path, database_url):
        async with running_apis(stack, 1) as [api]:
            for number in range(_PEOPLE):
                body = {"email": f"mio{number}@example.org", "password": PASSWORD}
                assert (await api.http.post("/auth/register", json=body)).status_code == 201
            yield api


async def sign_in(http: httpx.AsyncClient, number: int) -> None:
    body = {"login": f"mio{number % _PEOPLE}", "password": PASSWORD}
    answer = await http.post("/auth/login", json=body)
    assert answer.status_code == 200, answer.text


async def test_sign_ins_cost_what_their_hashes_cost(api: Api) -> None:
    """In processor time, which does not depend on other load; the floor is measured in turns."""
    hasher, ratios = PasswordHasher(), []
    stored = await hasher.hash(PASSWORD)
    for _ in range(_ROUNDS):
        before = time.process_time()
        await asyncio.gather(*(_verify(hasher, stored) for _ in range(_SOME)))
        bare = time.process_time() - before
        before = api.program.cpu_seconds()
        await asyncio.gather(*(sign_in(api.http, number) for number in range(_SOME)))
        ratios.append(bare / (api.program.cpu_seconds() - before))
    hasher.close()
    print(f"bare hashes over sign-ins, in processor time: {[round(ratio, 2) for ratio in ratios]}")  # noqa: T201  # the figure
    assert max(ratios) > 0.6


async def _verify(hasher: PasswordHasher, stored: str) -> None:
    assert (await hasher.verify(PASSWORD, stored)).matches


async def test_liveness_does_not_wait_for_sign_ins(api: Api) -> None:
    """In units of one hash: on the event loop, eight hashes would delay every request by eight."""
    alone = min([await _timed(sign_in(api.http, 0)) for _ in range(5)])
    done, waits = False, []

    async def probe() -> None:
        while not done:
            waits.append(await _timed(_live(api.http)))
            await asyncio.sleep(0.005)

    async def person(number: int) -> None:
        for _ in range(12):
            await sign_in(api.http, number)

    prober = asyncio.create_task(probe())
    await asyncio.gather(*(person(number) for number in range(_PEOPLE)))
    done = True
    await prober
    p99 = sorted(waits)[int(len(waits) * 0.99)]
    print(f"p99 of /health/live over one sign-in: {p99 / alone:.2f} of {len(waits)} probes")  # noqa: T201  # the figure
    assert len(waits) > 50
    assert p99 < 3 * alone


async def _live(http: httpx.AsyncClient) -> None:
    assert (await http.get("/health/live")).status_code == 200


async def _timed(work: Awaitable[None]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started
