"""Jikan's limits across processes at ten times the demand, counted by the stand-in."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.external.base.client import USER
from app.external.jikan.client import JIKAN_RATE, JikanClient
from app.utils.redis.client import connect_redis
from app.utils.redis.rate_limit import SharedLimiter
from tests.standin import JikanStandin

REPOSITORY = Path(__file__).parents[3]


async def processes(kinds: Sequence[str], standin: JikanStandin, redis_url: str, seconds: float) -> list[Any]:
    """Run one caller of each kind concurrently; returns the output of each."""
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.external.quota_caller",
            standin.base_url, redis_url, kind, str(seconds),
            cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE,
        )
        for kind in kinds
    ]  # fmt: skip
    try:
        told = await asyncio.gather(*(caller.communicate() for caller in started))
    finally:
        for caller in started:
            if caller.returncode is None:
                caller.kill()
                await caller.wait()
    return [json.loads(out.splitlines()[-1]) for out, _ in told]


async def test_no_second_sees_more_than_three_calls(jikan_standin: JikanStandin, redis_url: str) -> None:
    jikan_standin.enforce()
    tallies = await processes(["user", "job", "job"], jikan_standin, redis_url, 20)
    stats = jikan_standin.stats()
    assert stats.max_1s <= 3
    assert stats.max_60s <= 60
    assert stats.by_mode == {"ok": stats.total}
    assert stats.total >= 20
    asked = sum(tally["answered"] + tally["refused"] for tally in tallies)
    assert asked > stats.total * 5
    assert tallies[0]["longest"] < USER.budget * 1.5
    assert tallies[1]["answered"] + tallies[2]["answered"] > 0


async def test_one_429_pauses_every_process(jikan_standin: JikanStandin, redis_url: str) -> None:
    jikan_standin.behave("status", status=429, retry_after="6", times=1)
    await processes(["user", "job"], jikan_standin, redis_url, 11)
    calls = jikan_standin.calls()
    limited = next(number for number, call in enumerate(calls) if call.mode == "status")
    pauses = [call.at - calls[limited].at for call in calls[limited + 1 :]]
    on_the_way = [pause for pause in pauses if pause < 1.5]  # sent before the 429 was read
    assert len(on_the_way) <= 3
    assert len(pauses) > 3
    assert min(pauses[len(on_the_way) :]) >= 6
    assert min(pauses[len(on_the_way) :]) < 9


async def test_without_redis_a_process_has_its_own_pace(jikan_standin: JikanStandin) -> None:
    redis = connect_redis("redis://127.0.0.1:9/0")
    client = JikanClient(jikan_standin.base_url, limiter=SharedLimiter("jikan", JIKAN_RATE, redis))
    begun = time.monotonic()
    await asyncio.gather(*(client.raw_anime(mal_id) for mal_id in (1, 2, 3)), return_exceptions=True)
    assert time.monotonic() - begun < USER.budget * 1.5
    assert jikan_standin.stats().total == 1
    await client.close()
    await redis.aclose()


@pytest.mark.soak
@pytest.mark.timeout(400)
async def test_three_minutes_at_ten_times_the_demand(
    jikan_standin: JikanStandin, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    jikan_standin.enforce()
    tallies = await processes(["user", "job", "job"], jikan_standin, redis_url, 180)
    stats = jikan_standin.stats()
    with capsys.disabled():
        sys.stdout.write(
            f"\n{stats.total} calls, {stats.max_1s} in a second, {stats.max_60s} in a minute; {tallies}\n"
        )
    assert stats.max_1s <= 3
    assert stats.max_60s <= 60
    assert stats.by_mode == {"ok": stats.total}
    assert stats.total >= 180 * 0.8
    assert tallies[1]["answered"] + tallies[2]["answered"] >= 6
