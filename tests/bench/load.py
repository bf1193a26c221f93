"""A load generator: requests repeated on several connections, in a process with its own core."""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import cycle

import uvloop

from tests.bench.pinning import OTHER_CORE, pin

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


class Asker(asyncio.Protocol):
    """Sends its next request as soon as a response is complete."""

    def __init__(self, requests: Sequence[bytes], counts: Counter[bytes]) -> None:
        self._requests = cycle(requests)
        self._counts = counts
        self._head = b""
        self._missing = 0
        self._status = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._head, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            self._missing = whole - len(self._head)
            self._status = self._head[9:12]
            self._head = b""
        if self._missing == 0:
            self._counts[self._status] += 1
            self._transport.write(next(self._requests))

    def connection_lost(self, exc: Exception | None) -> None:
        self._counts[b"cut"] += 1


async def run(
    port: int, requests: Sequence[str], *, connections: int, seconds: float, warm_up: float
) -> dict[str, float]:
    """Responses per second by status, after ``warm_up`` uncounted seconds.

    The requests are dealt out to the connections: with as many connections as users, each acts for one user.
    """
    loop = asyncio.get_running_loop()
    counts: Counter[bytes] = Counter()
    encoded = [request.encode() for request in requests]
    dealt = [encoded[at::connections] or encoded for at in range(connections)]
    open_ones = [
        (await loop.create_connection(partial(Asker, own, counts), "127.0.0.1", port))[0] for own in dealt
    ]
    await asyncio.sleep(warm_up)
    counts.clear()
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - started
    rates = {status.decode(): count / took for status, count in counts.items()}
    for transport in open_ones:
        transport.abort()
    return rates


if __name__ == "__main__":
    pin(OTHER_CORE)
    order = json.loads(sys.stdin.read())
    json.dump(uvloop.run(run(**order)), sys.stdout)
