"""The two-way sync with AniList while worker and API are killed: nothing is lost, doubled or sent twice."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.utils.db.database import Database
from tests.faults.apis import Api, running_apis
from tests.faults.stack import Stack, running_stack
from tests.fixtures.accounts import PASSWORD
from tests.fixtures.serving import Relay, served
from tests.standin.anilist import API, CODE, AniListStandin, state_of

pytestmark = [pytest.mark.fault, pytest.mark.soak]

ANIME = 450  # three transactions of a pull
EDITED = range(1, 7)


class Upstream:
    """AniList on a port; it holds back an answer once a condition is true, until a process was killed."""

    def __init__(self) -> None:
        self.anilist = AniListStandin()
        self.relay = Relay(self.anilist, API)
        self._condition: Callable[[], bool] | None = None
        self._reached = threading.Event()
        self._released = threading.Event()
        self.relay.before_answer = self._hold

    def hold_when(self, condition: Callable[[], bool]) -> None:
        self._reached.clear()
        self._released.clear()
        self._condition = condition

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, 60), "the condition never became true"

    def release(self) -> None:
        self._condition = None
        self._released.set()

    async def _hold(self) -> None:
        if self._condition is not None and self._condition():
            self._reached.set()
            await asyncio.to_thread(self._released.wait, 60)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def stack(tmp_path: Path, database_url: str, upstream: Upstream) -> Iterator[Stack]:
    with served(upstream.relay) as url:
        for stack in running_stack(tmp_path, database_url):
            stack.env |= {
                "ANILIST_BASE_URL": f"{url}/graphql",
                "ANILIST_OAUTH_URL": f"{url}/oauth",
                "ANILIST_CLIENT_ID": "1234",
                "ANILIST_CLIENT_SECRET": "of an application",
                "PUBLIC_BASE_URL": "http://127.0.0.1",
            }
            yield stack


async def until(is_true: Callable[[], Awaitable[bool]], what: str, *, seconds: float = 90) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not await is_true():  # noqa: ASYNC110  # other processes make it true
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(what)


async def status(api: Api) -> dict[str, Any]:
    answer = await api.http.get("/api/anilist/status")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@asynccontextmanager
async def signed_in(stack: Stack) -> AsyncIterator[Api]:
    async with running_apis(stack, 1) as [api]:
        account = {"username": "mio", "email": "mio@example.org", "password": PASSWORD}
        answer = await api.http.post("/auth/register", json=account)
        if answer.status_code != 201:
            answer = await api.http.post("/auth/login", json={"login": "mio", "password": PASSWORD})
        api.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield api


async def test_a_sync_survives_kills_of_worker_and_api(
    stack: Stack, upstream: Upstream, database: Database, tmp_path: Path
) -> None:
    anilist = upstream.anilist
    for media_id in range(1, ANIME + 1):
        anilist.add(media_id, progress=1)
    anilist.add(ANIME + 1, type="MANGA", progress=2)

    stack.scheduler()
    items = await _pull_with_kills(stack, upstream, database)
    assert set(items) == set(range(1, ANIME + 2)), "no entry is missing"
    async with database.transaction() as tx:
        changes = await tx.session.scalar(text("select count(*) from entry_changes"))
    assert changes == ANIME + 1, "each entry was added once"
    assert anilist.saves == [], "what came from AniList is not sent back"

    await _push_with_kills(stack, upstream, items, database)
    assert sorted(save["mediaId"] for save in anilist.saves) == list(EDITED), "each edit was sent once"
    assert [anilist.entries[media_id]["progress"] for media_id in EDITED] == [10 + one for one in EDITED]

    logs = "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert "job." in logs
    assert anilist.token not in logs


async def _pull_with_kills(stack: Stack, upstream: Upstream, database: Database) -> dict[int, dict[str, Any]]:
    """Kill both when the anime are stored and the manga are being fetched; return the items by AniList id."""
    worker = stack.worker()
    async with signed_in(stack) as api:
        url = (await api.http.get("/api/anilist/connect-url")).json()["url"]
        query = {"state": state_of(url), "code": CODE}
        answer = await api.http.get("/api/anilist/callback", params=query, follow_redirects=False)
        assert answer.status_code < 400, answer.text
        upstream.hold_when(lambda: upstream.anilist.count("MediaListCollection") == 2)
        assert (await api.http.post("/api/anilist/sync")).status_code == 202
        await upstream.reached()
        worker.kill()
        api.program.kill()
        upstream.release()
    await _expire_lease(database)
    worker = stack.worker()
    async with signed_in(stack) as api:

        async def is_synced() -> bool:
            return (await status(api))["last_sync_at"] is not None

        await until(is_synced, "the sync was not resumed")
        found = (await api.http.get("/api/library/items")).json()
        api.program.kill()
    worker.kill()
    items = {item["anilist_id"]: item for item in found}
    assert len(items) == len(found), "no entry is there twice"
    return items


async def _push_with_kills(
    stack: Stack, upstream: Upstream, items: dict[int, dict[str, Any]], database: Database
) -> None:
    """Kill the API when it has confirmed the edits, and a worker when AniList has stored the third."""
    worker = stack.worker()
    upstream.hold_when(lambda: len(upstream.anilist.saves) == 3)
    async with signed_in(stack) as api:
        for media_id in EDITED:
            path = f"/api/library/items/{items[media_id]['id']}"
            answer = await api.http.patch(path, json={"progress": 10 + media_id})
            assert answer.status_code == 200, answer.text
        api.program.kill()
    await upstream.reached()
    worker.kill()
    upstream.release()
    await _expire_lease(database)
    stack.worker()
    async with signed_in(stack) as api:

        async def is_pushed() -> bool:
            return int((await status(api))["pending"]) == 0

        await until(is_pushed, "edits are still pending")


async def _expire_lease(database: Database) -> None:
    """End the lease of the dead run, which would keep other runs from the list for a minute."""
    async with database.transaction() as tx:
        await tx.session.execute(text("update service_links set busy_until = now() - interval '1 s'"))
