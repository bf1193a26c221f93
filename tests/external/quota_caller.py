"""Call Jikan far too often: ``python -m tests.external.quota_caller URL REDIS user|job SECONDS``."""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

from app.errors import UpstreamFailure
from app.external.base.client import JOB, USER, Deadline
from app.external.jikan.client import JIKAN_RATE, JikanClient
from app.utils.redis.client import connect_redis
from app.utils.redis.rate_limit import SharedLimiter

_CALLERS = 20  # concurrent callers; each calls again as soon as it gets a response or an error


@dataclass
class Tally:
    answered: int = 0
    refused: int = 0
    longest: float = 0.0
    silences: set[int] = field(default_factory=set)


async def _demand(client: JikanClient, deadline: Deadline, first: int, tally: Tally) -> None:
    mal_id = first
    while True:
        mal_id += 1
        begun = time.monotonic()
        try:
            await client.get_anime(mal_id, deadline=deadline)
            tally.answered += 1
        except UpstreamFailure as failure:
            tally.refused += 1
            tally.silences.add(round(failure.retry_after or 0))
            await asyncio.sleep(0.5)
        tally.longest = max(tally.longest, time.monotonic() - begun)


async def main(base_url: str, redis_url: str, kind: str, seconds: float) -> Tally:
    redis, tally = connect_redis(redis_url), Tally()
    client = JikanClient(base_url, limiter=SharedLimiter("jikan", JIKAN_RATE, redis))
    deadline = {"user": USER, "job": JOB}[kind]
    callers = [
        asyncio.create_task(_demand(client, deadline, 1 + number * 500, tally)) for number in range(_CALLERS)
    ]
    ended, running = await asyncio.wait(callers, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for caller in running:
        caller.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for caller in ended:
        caller.result()
    await client.close()
    await redis.aclose()
    return tally


if __name__ == "__main__":
    told = asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
    sys.stdout.write(
        json.dumps(
            {
                "answered": told.answered,
                "refused": told.refused,
                "longest": told.longest,
                "silences": sorted(told.silences),
            }
        )
    )
