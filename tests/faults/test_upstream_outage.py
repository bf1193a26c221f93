"""During an outage of Jikan known titles are served, others fail cleanly, and it recovers by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from sqlalchemy import text

from app.utils.db.database import Database
from tests.faults.stack import Stack, running_stack
from tests.faults.upstream_stack import Api, Timed, statuses, timed_get, two_apis
from tests.standin import JikanStandin

pytestmark = [pytest.mark.fault, pytest.mark.xdist_group("upstream faults")]

OUTAGES: dict[str, dict[str, Any]] = {
    "refuse": {},
    "blackhole": {"mode": "hang"},
    "500": {"mode": "status", "status": 500},
    "slow drip": {"mode": "drip", "interval": 0.4},
    "html": {"mode": "html"},
    "429": {"mode": "status", "status": 429, "retry_after": 3},
}
KNOWN = range(1, 21)


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    yield from running_stack(tmp_path, database_url)


@pytest.fixture
async def apis(stack: Stack, jikan_standin: JikanStandin, database: Database) -> AsyncIterator[list[Api]]:
    """API processes with twenty titles, half of them stale."""
    async with database.transaction() as tx:
        await tx.session.execute(
            text(
                "with a as (insert into anime (mal_id, title, status) select i, 'Title ' || i, 'finished'"
                " from generate_series(cast(:first as int), :last) as i returning id, mal_id)"
                " insert into anime_syncs select id,"
                " now() - case when mal_id % 2 = 0 then interval '90 days' else interval '1 hour' end from a"
            ),
            {"first": KNOWN[0], "last": KNOWN[-1]},
        )
    async with two_apis(stack, jikan_standin) as apis:
        yield apis


def break_it(standin: JikanStandin, outage: str) -> None:
    options = OUTAGES[outage]
    if options:
        standin.behave(**options)
    else:
        standin.refuse()


def mend(standin: JikanStandin) -> None:
    standin.clear()
    standin.accept()


async def request_titles(apis: list[Api], *, first: int, seconds: float) -> tuple[list[float], list[Timed]]:
    """Request known titles, and unknown ones from ``first`` on.

    Returns the former's times, the latter's responses.
    """
    known: list[float] = []
    unknown: list[Timed] = []
    ends = time.monotonic() + seconds

    async def ask_for_known(api: Api) -> None:
        turn = 0
        while time.monotonic() < ends:
            one = await timed_get(api, f"/anime/mal/{KNOWN[turn % len(KNOWN)]}")
            check_known(one)
            known.append(one.seconds)
            turn += 1
            await asyncio.sleep(0.05)

    async def ask_for_unknown(api: Api, first: int) -> None:
        mal_id = first
        while time.monotonic() < ends:
            unknown.append(await timed_get(api, f"/anime/mal/{mal_id}"))
            mal_id += 1
            await asyncio.sleep(0.2)

    await asyncio.gather(
        *(ask_for_known(api) for api in apis),
        *(ask_for_unknown(api, first + 5000 * turn) for turn, api in enumerate(apis)),
    )
    return known, unknown


def check_known(one: Timed) -> None:
    assert one.answer.status_code == 200
    stale = one.answer.json()["mal_id"] % 2 == 0
    assert one.answer.headers["x-cache"] == ("stale" if stale else "hit")
    assert (int(one.answer.headers["age"]) > 86_400) == stale


def check_unknown(unknown: list[Timed]) -> None:
    assert unknown
    assert statuses(unknown).keys() <= {502, 503, 504}, statuses(unknown)
    for one in unknown:
        assert one.seconds < 4
        assert int(one.answer.headers["retry-after"]) >= 1
        body = one.answer.json()
        assert body["code"] in {"UPSTREAM_ERROR", "UPSTREAM_UNAVAILABLE", "UPSTREAM_TIMEOUT"}
        assert body["request_id"] == one.answer.headers["x-request-id"]


async def seconds_to_recover(api: Api, *, first: int) -> float:
    """The seconds until a title that was never requested before is served."""
    healed = time.monotonic()
    for mal_id in range(first, first + 400):
        if (await timed_get(api, f"/anime/mal/{mal_id}")).answer.status_code == 200:
            return time.monotonic() - healed
        await asyncio.sleep(0.2)
    raise AssertionError("it never recovers")


async def snapshot(database: Database) -> Any:
    columns = "count(*)::text || md5(string_agg(to_jsonb(anime)::text, '' order by id))"
    return await database.scalar(f"select {columns} from anime where mal_id <= 20")


async def run_outage(
    apis: list[Api], standin: JikanStandin, database: Database, outage: str, *, seconds: float
) -> None:
    before = await snapshot(database)
    usual, _ = await request_titles(apis, first=40_000, seconds=1)
    standin.reset()
    break_it(standin, outage)
    known, unknown = await request_titles(apis, first=1000, seconds=seconds)
    assert median(known) < 5 * median(usual), "nobody waits for Jikan"
    check_unknown(unknown)
    assert await snapshot(database) == before


async def live_and_recover(
    apis: list[Api], standin: JikanStandin, database: Database, outage: str, *, seconds: float
) -> None:
    await run_outage(apis, standin, database, outage, seconds=seconds)
    mend(standin)
    took = await asyncio.gather(
        *(seconds_to_recover(api, first=20_000 + turn * 1000) for turn, api in enumerate(apis))
    )
    assert max(took) < 35


@pytest.mark.parametrize("outage", OUTAGES)
async def test_during_an_outage_known_titles_are_served_and_others_fail_cleanly(
    apis: list[Api], jikan_standin: JikanStandin, database: Database, outage: str
) -> None:
    await run_outage(apis, jikan_standin, database, outage, seconds=4)


@pytest.mark.parametrize("outage", ["500"])
async def test_it_recovers_by_itself_after_the_breaker_had_opened(
    apis: list[Api], jikan_standin: JikanStandin, database: Database, outage: str
) -> None:
    await live_and_recover(apis, jikan_standin, database, outage, seconds=6)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("outage", OUTAGES)
async def test_five_minutes_of_outage(
    apis: list[Api], jikan_standin: JikanStandin, database: Database, outage: str
) -> None:
    await live_and_recover(apis, jikan_standin, database, outage, seconds=300)
    bothered = jikan_standin.calls(lambda call: call.mode != "ok")
    assert len(bothered) <= 100, "ten calls a minute from each of two processes"


async def test_invalid_data_never_replaces_valid_data(
    apis: list[Api], jikan_standin: JikanStandin, database: Database
) -> None:
    first = await timed_get(apis[0], "/anime/mal/777")
    assert first.answer.status_code == 200
    for mode in ("html", "garbage", "nan", "truncated", "deep"):
        jikan_standin.behave(mode)
        for api in apis:
            assert (await timed_get(api, "/anime/mal/777")).answer.content == first.answer.content
        jikan_standin.clear()
