"""The HiAnime proxy over real sockets: only allowed paths of its upstream are asked, whatever is sent."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.api.hianime.test_proxy import PAYLOADS
from tests.faults.apis import Api, running_apis
from tests.faults.stack import Stack, running_stack

pytestmark = [pytest.mark.fault, pytest.mark.xdist_group("upstream faults")]

_ALLOWED = (
    "/api/v2/hianime/anime/",
    "/api/v2/hianime/search?",
    "/api/v2/hianime/episode/",
    "/api/v2/hianime/home",
)


class Recorder:
    """A server that keeps the first line of each request; it redirects to ``elsewhere`` if set."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.elsewhere: str | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.lines.append(head.split(b"\r\n")[0].decode("latin-1"))
        body = b'{"status": 200, "data": {}}'
        status = b"200 OK" if self.elsewhere is None else b"302 Found\r\nLocation: " + self.elsewhere.encode()
        writer.write(
            b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)
        )
        await writer.drain()
        writer.close()


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    yield from running_stack(tmp_path, database_url)


@pytest.fixture
async def upstream() -> AsyncIterator[tuple[Recorder, int]]:
    recorder = Recorder()
    async with await asyncio.start_server(recorder.serve, "127.0.0.1", 0) as server:
        yield recorder, server.sockets[0].getsockname()[1]


@pytest.fixture
async def elsewhere() -> AsyncIterator[tuple[Recorder, int]]:
    recorder = Recorder()
    async with await asyncio.start_server(recorder.serve, "127.0.0.1", 0) as server:
        yield recorder, server.sockets[0].getsockname()[1]


async def send(api: Api, target: bytes, *, host: bytes = b"localhost") -> int | None:
    """The status of the answer to this request line, sent as it is; None if the connection was closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    try:
        writer.write(b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (target, host))
        await writer.drain()
        line = await asyncio.wait_for(reader.readline(), 20)
        return int(line.split()[1]) if line else None
    finally:
        writer.close()


def _targets(port: int) -> list[bytes]:
    """Each payload unescaped in every place that enters an upstream's URL, and whole request targets."""
    there = f"127.0.0.1:{port}"
    payloads = [payload.replace("evil.example", there).encode() for payload in PAYLOADS if len(payload) < 999]
    targets = [b"/api/anime/" + payload for payload in payloads]
    targets += [b"/api/episode/servers?animeEpisodeId=" + payload for payload in payloads]
    whole = [
        f"http://{there}/api/home", f"//{there}/api/home", f"/api/home@{there}", f"/api/anime//{there}/",
        f"/api/anime/..%2f..%2f..%2f{there}", f"\\\\{there}\\api\\home", f"/api/home?url=http://{there}/",
        "/api/anime/a-1/../../../../v2/hianime/home", "/api/%61nime/..", "/api/home/../../../internal",
        f"/api/anime/a-1%0d%0aHost:%20{there}", f"/api/anime/%2568ttp:%252f%252f{there}", "*",
        "/api/home/%00",
        f"/api/anime/%EF%BC%8F%EF%BC%8F{there}", "/api/anime/%C0%AF..%C0%AF..", "/api/episode/%2e%2e/home",
    ]  # fmt: skip
    return targets + [target.encode() for target in whole]


async def test_no_bytes_of_a_client_reach_another_host_or_path(
    stack: Stack, upstream: tuple[Recorder, int], elsewhere: tuple[Recorder, int]
) -> None:
    there, port = elsewhere
    async with running_apis(stack, 1, HIANIME_BASE_URL=f"http://127.0.0.1:{upstream[1]}") as [api]:
        targets = _targets(port)
        assert len(targets) >= 120
        statuses = {target: await send(api, target) for target in targets}
        assert [one for one in statuses.items() if one[1] is not None and one[1] >= 500] == []
        assert await send(api, b"/api/home", host=f"127.0.0.1:{port}".encode()) in {200, 400}
        upstream[0].elsewhere = f"http://127.0.0.1:{port}/api/v2/hianime/home"
        assert await send(api, b"/api/anime/redirected-1") == 502
    assert there.lines == [], "another host was asked"
    for line in upstream[0].lines:
        target = line.split(" ")[1]
        assert target.startswith(_ALLOWED), line
        path = target.split("?")[0].removeprefix("/api/v2/hianime/")
        assert not set(path) & set("%.\\@:;#"), line
    assert upstream[0].lines, "no payload was valid: nothing is proved"
