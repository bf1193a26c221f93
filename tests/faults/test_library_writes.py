"""Acknowledged writes survive kills of API processes and PostgreSQL."""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from app.utils.db.migrations import upgrade
from app.utils.processes.embedded.identity import choose_identity
from app.utils.processes.embedded.postgres import Postgres
from app.utils.processes.embedded.wheels import postgres_binary
from tests.faults.apis import Api, running_apis
from tests.faults.stack import Stack, running_stack
from tests.fixtures.accounts import PASSWORD

pytestmark = pytest.mark.fault

TITLES, COUNTED = 400, 8  # the first ``COUNTED`` titles are only incremented, the others only added


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    """A PostgreSQL with full durability."""
    with tempfile.TemporaryDirectory(prefix="pg-") as run:
        (tmp_path / "logs").mkdir()
        identity = choose_identity(tmp_path, Path(run), postgres_binary("postgres"))
        server = Postgres(tmp_path, Path(run), fast=False, identity=identity)
        server.start()
        yield server
        server.stop()


def kill(postgres: Postgres) -> None:
    """SIGKILL to the postmaster and all of its children at once."""
    assert postgres.child is not None
    root = psutil.Process(postgres.child.pid)
    everything = [*root.children(recursive=True), root]
    for process in everything:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(everything, timeout=10)
    postgres.child.wait()


@pytest.fixture
async def stack(tmp_path: Path, postgres: Postgres) -> AsyncIterator[Stack]:
    url = postgres.url(postgres.run)
    await upgrade(url)
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute(
        "insert into anime (mal_id, title) select n, 'T' || n from generate_series(1, $1) n", TITLES
    )
    await connection.close()
    folder = tmp_path / "stack"
    folder.mkdir()
    stacks = running_stack(folder, url)
    yield next(stacks)
    next(stacks, None)


@dataclass
class Ledger:
    """The acknowledged writes, and those that may or may not have happened."""

    counted: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(1, COUNTED + 1), 0))
    perhaps: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(1, COUNTED + 1), 0))
    added: set[int] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


class Writers:
    """Four writers with titles of their own, so that each knows what the next read must return."""

    def __init__(self, ports: list[int], token: str) -> None:
        self.ports = ports
        self.ledger = Ledger()
        self.headers = {"Authorization": f"Bearer {token}"}
        self._over = asyncio.Event()

    async def run(self, over: "asyncio.Task[None]") -> None:
        work = [asyncio.create_task(self._write(number)) for number in range(4)]
        try:
            await over
        finally:
            self._over.set()
            await asyncio.gather(*work)

    async def _write(self, number: int) -> None:
        choose = random.Random(number)
        mine = [title for title in range(1, COUNTED + 1) if title % 4 == number]
        fresh = iter([title for title in range(COUNTED + 1, TITLES + 1) if title % 4 == number])
        async with httpx.AsyncClient(headers=self.headers, timeout=10) as http:
            while not self._over.is_set():
                try:
                    if choose.random() < 0.6:
                        await self._count_up(http, choose.choice(mine))
                    elif title := next(fresh, None):
                        await self._add(http, title)
                except httpx.TransportError:
                    await asyncio.sleep(0.05)

    def _url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{random.choice(self.ports)}/users/me/list{path}"

    async def _count_up(self, http: httpx.AsyncClient, title: int) -> None:
        ledger = self.ledger
        ledger.perhaps[title] += 1
        answer = await http.patch(self._url(f"/{title}"), json={"progress_delta": 1})
        ledger.statuses.append(answer.status_code)
        if answer.status_code == 200:
            ledger.counted[title] += 1
            read = await http.get(self._url(f"/{title}"))
            if read.status_code == 200 and read.json()["progress"] < answer.json()["progress"]:
                ledger.unseen.append(f"{title}: {read.text} after {answer.text}")

    async def _add(self, http: httpx.AsyncClient, title: int) -> None:
        answer = await http.post(self._url(), json={"anime_id": title, "status": "watching"})
        self.ledger.statuses.append(answer.status_code)
        if answer.status_code == 201:
            self.ledger.added.add(title)
            read = await http.get(self._url(f"/{title}"))
            if read.status_code == 404:
                self.ledger.unseen.append(f"{title} was added and is not there")


async def register(http: httpx.AsyncClient) -> str:
    body = {"email": "mio@example.org", "password": PASSWORD}
    answer = await http.post("/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["access_token"])


async def test_no_acknowledged_write_is_lost_when_the_api_or_postgresql_is_killed(
    stack: Stack, postgres: Postgres
) -> None:
    async with running_apis(stack, 2) as apis:
        writers = Writers([api.port for api in apis], await register(apis[0].http))
        headers = writers.headers
        for title in writers.ledger.counted:
            added = {"anime_id": title, "status": "watching", "progress": 0}
            await apis[0].http.post("/users/me/list", json=added, headers=headers)

        async def blows() -> None:
            before = 0
            for victim in (apis[0], postgres, postgres):
                before = await until_more(writers.ledger, before)
                await strike(victim)
            await until_more(writers.ledger, before)

        async def strike(victim: Api | Postgres) -> None:
            if isinstance(victim, Postgres):
                kill(victim)
                await asyncio.sleep(0.3)
                victim.start()
            else:
                victim.program.kill()
                writers.ports.remove(victim.port)

        await writers.run(asyncio.create_task(blows()))
        ledger = writers.ledger
        assert ledger.unseen == []
        assert set(ledger.statuses) <= {200, 201, 409, 503}  # 409: an addition that was not acknowledged
        assert 503 in ledger.statuses
        listed = await every_entry(apis[1].http, headers)
        assert ledger.added - listed.keys() == set()
        for title, times in ledger.counted.items():
            assert times <= listed[title] <= ledger.perhaps[title]
        assert await changes_that_do_not_add_up(postgres) == []


async def until_more(ledger: Ledger, before: int, *, seconds: float = 20) -> int:
    """Return after sixty more acknowledged writes."""
    deadline = time.monotonic() + seconds
    while (now := sum(ledger.counted.values()) + len(ledger.added)) < before + 60:
        assert time.monotonic() < deadline, "no write is acknowledged any more"
        await asyncio.sleep(0.02)
    return now


async def every_entry(http: httpx.AsyncClient, headers: dict[str, str]) -> dict[int, int]:
    """The progress by title."""
    found: dict[int, int] = {}
    for page in range(1, TITLES // 100 + 2):
        query = {"page": page, "limit": 100}
        answer = await http.get("/users/me/list", params=query, headers=headers)
        found |= {entry["anime_id"]: entry["progress"] for entry in answer.json()}
    return found


async def changes_that_do_not_add_up(postgres: Postgres) -> list[int]:
    """Entries whose history does not end in their current state: half-written changes."""
    connection = await asyncpg.connect(postgres.url(postgres.run).replace("+asyncpg", ""))
    rows = await connection.fetch(
        """
        select e.anime_id from entries e
        where e.progress is distinct from (
            select (c.after ->> 'progress')::int from entry_changes c
            where c.entry_id = e.id and c.after ? 'progress' order by c.id desc limit 1)
        """
    )
    await connection.close()
    return [row["anime_id"] for row in rows]


async def test_twenty_equal_posts_over_two_processes_are_one(stack: Stack) -> None:
    async with running_apis(stack, 2) as apis:
        headers = {
            "Authorization": f"Bearer {await register(apis[0].http)}",
            "Idempotency-Key": "one-and-the-same",
        }
        body = {"anime_id": 5, "status": "watching"}

        async def post(number: int) -> httpx.Response:
            return await apis[number % 2].http.post("/users/me/list", json=body, headers=headers)

        answers = await asyncio.gather(*(post(number) for number in range(20)))
        assert {answer.status_code for answer in answers} <= {201, 409}
        made = [answer for answer in answers if answer.status_code == 201]
        assert made
        assert len({answer.content for answer in made}) == 1
        again = await post(0)
        assert (again.status_code, again.content) == (201, made[0].content)
        listed = await apis[1].http.get("/users/me/list", headers=headers)
        assert listed.headers["X-Total-Count"] == "1"
