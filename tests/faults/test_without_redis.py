"""The README's table of behaviour without Redis, row by row, and response times."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.container import Container, build
from app.main import create_app
from app.schemas.events import EpisodeReleased
from app.utils.db.database import Database
from tests.factories.catalogue import make_titles, store_titles
from tests.fixtures.accounts import PASSWORD, SignedIn, make_account
from tests.standin import AniLibriaStandin, JikanStandin
from tests.test_readme import table_after

pytestmark = pytest.mark.fault


@dataclass
class Service:
    container: Container
    client: httpx.AsyncClient
    user: SignedIn
    admin: SignedIn
    anime_id: int

    async def ask(
        self, method: str, path: str, *, by: SignedIn | None = None, json: object = None
    ) -> httpx.Response:
        headers = by.headers if by else {}
        return await self.client.request(method, path, headers=headers, json=json)

    async def sign_in(self, password: str = PASSWORD) -> httpx.Response:
        login = {"login": self.user.username, "password": password}
        return await self.ask("POST", "/auth/login", json=login)


@pytest.fixture(params=["refused", "mute"])
async def service(
    settings: Settings,
    database: Database,
    database_url: str,
    jikan_standin: JikanStandin,
    anilibria_standin: AniLibriaStandin,
    unused_port: int,
    mute_port: int,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Service]:
    """The service with a Redis that is down, or that never responds."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    ids = await store_titles(connection, make_titles(20))
    await connection.close()
    port = unused_port if request.param == "refused" else mute_port
    changed = {
        "redis_url": f"redis://127.0.0.1:{port}/0",
        "jikan_base_url": jikan_standin.base_url,
        "anilibria_base_url": anilibria_standin.base_url,
    }
    given = Settings(_env_file=None, **{**settings.model_dump(exclude_none=True), **changed})
    async with build(given, db=database) as container:
        transport = httpx.ASGITransport(app=create_app(given, container=container))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            user, admin = await make_account(container), await make_account(container, role="admin")
            yield Service(container, client, user, admin, ids[0])


async def catalogue(service: Service) -> None:
    for path in ("/anime?genre=Drama", f"/anime/{service.anime_id}", "/search/anime?q=ka", "/genres"):
        assert (await service.ask("GET", path)).status_code == 200, path


async def by_mal_id(service: Service) -> None:
    known = (await service.ask("GET", f"/anime/{service.anime_id}")).json()["mal_id"]
    assert (await service.ask("GET", f"/anime/mal/{known}")).status_code == 200
    fetched = await service.ask("GET", "/anime/mal/5114")
    assert fetched.status_code == 200, fetched.text
    assert fetched.json()["mal_id"] == 5114


async def sign_in(service: Service) -> None:
    signed_in = await service.sign_in()
    assert signed_in.status_code == 200
    renewed = await service.ask(
        "POST", "/auth/refresh", json={"refresh_token": signed_in.json()["refresh_token"]}
    )
    assert renewed.status_code == 200
    bearer = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    assert (await service.client.post("/auth/logout", headers=bearer)).status_code == 204
    assert (await service.client.get("/users/me", headers=bearer)).status_code == 401


async def own_list(service: Service) -> None:
    assert (await service.ask("GET", "/users/me", by=service.user)).status_code == 200
    entry = {"anime_id": service.anime_id, "status": "watching"}
    assert (await service.ask("POST", "/users/me/list", by=service.user, json=entry)).status_code == 201
    at = f"/users/me/list/{service.anime_id}"
    assert (await service.ask("PATCH", at, by=service.user, json={"notes": "good"})).status_code == 200
    assert len((await service.ask("GET", "/users/me/list", by=service.user)).json()) == 1
    assert (await service.ask("DELETE", at, by=service.user)).status_code == 204


async def releases(service: Service) -> None:
    for path in ("/releases", "/api/anilibria/v2/titles/9", "/api/anilibria/v2/titles/9"):
        answer = await service.ask("GET", path)
        assert answer.status_code == 200, answer.text


async def live_events(service: Service) -> None:
    live, titles = service.container.releases.live, (1, 2, 3)
    async with live.running(), live.connected(lambda code: pytest.fail(f"closed: {code}"), "") as connection:
        live.subscribe_kinds(connection, ["new_episode"])
        for title_id in titles:
            async with service.container.db.transaction() as tx:
                tx.emit(EpisodeReleased(title_id, 1.0, "Title", None, None, datetime.now(UTC)))
        async with asyncio.timeout(10):
            heard = [json.loads(await connection.next())["data"]["title_id"] for _ in titles]
        assert (heard, connection.waiting) == (list(titles), 0)


async def jobs(service: Service) -> None:
    queued = await service.ask("POST", "/anime/sync/1", by=service.admin)
    assert queued.status_code == 202
    job = await service.ask("GET", queued.json()["status_url"], by=service.admin)
    assert job.json()["status"] == "queued"


async def limits_of_sign_in(service: Service) -> None:
    for _ in range(5):
        assert (await service.sign_in("a wrong one")).status_code == 401
    refused = await service.sign_in()
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0


async def other_limits(service: Service) -> None:
    remaining = [
        int((await service.ask("GET", "/anime/jikan/5114")).headers["ratelimit-remaining"]) for _ in range(2)
    ]
    assert remaining[1] == remaining[0] - 1


async def health(service: Service) -> None:
    answer = await service.ask("GET", "/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")


ROWS: dict[str, Callable[[Service], Awaitable[None]]] = {
    "catalogue, search, genres": catalogue,
    "title by MyAnimeList id": by_mal_id,
    "sign-in, token refresh, sign-out": sign_in,
    "one's own profile and list": own_list,
    "releases": releases,
    "live events": live_events,
    "syncs and other jobs": jobs,
    "limits on sign-in": limits_of_sign_in,
    "other inbound limits": other_limits,
    "`/health`": health,
}


def test_the_readme_has_the_tested_rows() -> None:
    assert [row[0] for row in table_after("What happens without Redis")] == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
async def test_the_service_behaves_as_the_readme_states(service: Service, row: str) -> None:
    await ROWS[row](service)


async def test_a_hanging_redis_delays_requests_briefly(service: Service) -> None:
    started = time.perf_counter()
    for _ in range(10):
        assert (await service.ask("GET", "/users/me", by=service.user)).status_code == 200
    assert time.perf_counter() - started < 10 * _PATIENCE


_PATIENCE = 0.5  # seconds per request, on average: twice the timeout of one Redis command
