"""GET /anime/mal/{mal_id}: hit, miss, stale and absent titles, and their headers."""

import httpx
import pytest
from sqlalchemy import text

from app.config import Settings
from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn
from tests.fixtures.routes import ROUTES
from tests.standin import JikanStandin


@pytest.fixture
def settings(settings: Settings, jikan_standin: JikanStandin) -> Settings:
    return settings.model_copy(update={"jikan_base_url": jikan_standin.base_url})


async def store(database: Database, mal_id: int, *, hours: float | None) -> None:
    async with database.transaction() as tx:
        await tx.session.execute(
            text(
                "with a as (insert into anime (mal_id, title, status)"
                "           values (:mal_id, 'Stored', 'finished') returning id)"
                " insert into anime_syncs select id, now() - make_interval(mins => :minutes) from a"
                " where cast(:minutes as int) is not null"
            ),
            {"mal_id": mal_id, "minutes": None if hours is None else int(hours * 60)},
        )


async def test_a_miss_is_fetched_and_then_a_hit(
    client: httpx.AsyncClient, jikan_standin: JikanStandin
) -> None:
    first = await client.get("/anime/mal/777")
    second = await client.get("/anime/mal/777/")
    assert (first.status_code, second.status_code) == (200, 200)
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("miss", "hit")
    assert (first.headers["Age"], second.headers["Age"]) == ("0", "0")
    assert first.content == second.content
    assert first.json()["mal_id"] == 777
    assert jikan_standin.stats().total == 1


async def test_it_is_the_same_object_as_under_its_own_id(client: httpx.AsyncClient) -> None:
    fetched = (await client.get("/anime/mal/777")).json()
    assert (await client.get(f"/anime/{fetched['id']}")).json() == fetched


async def test_age_is_the_time_since_the_sync(
    client: httpx.AsyncClient, database: Database, jikan_standin: JikanStandin
) -> None:
    await store(database, 21, hours=5)
    await store(database, 22, hours=24 * 31)
    for mal_id, state, hours in ((21, "hit", 5), (22, "stale", 24 * 31)):
        answer = await client.get(f"/anime/mal/{mal_id}")
        assert (answer.status_code, answer.headers["X-Cache"]) == (200, state)
        assert abs(int(answer.headers["Age"]) - hours * 3600) < 120
    assert jikan_standin.stats().total == 0


async def test_a_title_of_a_dump_is_stale_and_has_no_age(
    client: httpx.AsyncClient, database: Database
) -> None:
    await store(database, 21, hours=None)
    answer = await client.get("/anime/mal/21")
    assert (answer.headers["X-Cache"], "Age" in answer.headers) == ("stale", False)


async def test_a_client_with_the_current_version_gets_304_with_accurate_headers(
    client: httpx.AsyncClient, database: Database
) -> None:
    await store(database, 21, hours=24 * 90)
    etag = (await client.get("/anime/mal/21")).headers["ETag"]
    for sent in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        same = await client.get("/anime/mal/21", headers={"If-None-Match": sent})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
        assert (same.headers["X-Cache"], int(same.headers["Age"]) > 86_400 * 89) == ("stale", True)
        assert "no-cache" in same.headers["Cache-Control"]
    other = await client.get("/anime/mal/21", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


async def test_an_absent_title_is_404_and_requested_once(
    client: httpx.AsyncClient, jikan_standin: JikanStandin
) -> None:
    for _ in range(5):
        answer = await client.get("/anime/mal/99999999")
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
        assert "99999999" in answer.json()["message"]
    assert jikan_standin.stats().total == 1


@pytest.mark.parametrize("mal_id", ["0", "-1", "2147483648", "99999999999999999999", "1.5", "x", "1%00"])
async def test_impossible_ids_are_rejected(client: httpx.AsyncClient, mal_id: str) -> None:
    answer = await client.get(f"/anime/mal/{mal_id}")
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [("status", 502, "UPSTREAM_ERROR"), ("html", 502, "UPSTREAM_ERROR"), ("hang", 504, "UPSTREAM_TIMEOUT")],
)
async def test_upstream_failures_are_not_500(
    client: httpx.AsyncClient, jikan_standin: JikanStandin, mode: str, status: int, code: str
) -> None:
    jikan_standin.behave(mode)
    answer = await client.get("/anime/mal/777")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert int(answer.headers["Retry-After"]) >= 1
    jikan_standin.clear()
    assert (await client.get("/anime/mal/777")).status_code == 200


async def test_fields_choose_keys_of_a_hit_a_stale_title_and_a_miss(
    client: httpx.AsyncClient, database: Database, jikan_standin: JikanStandin
) -> None:
    await store(database, 21, hours=5)
    await store(database, 22, hours=24 * 31)
    for mal_id, state in ((21, "hit"), (22, "stale"), (777, "miss")):
        answer = await client.get(f"/anime/mal/{mal_id}?fields=title,mal_id&fields=score")
        assert (answer.status_code, answer.headers["X-Cache"]) == (200, state)
        assert list(answer.json()) == ["mal_id", "title", "score"]
        whole = await client.get(f"/anime/mal/{mal_id}")
        assert whole.json().items() >= answer.json().items()
        assert whole.headers["ETag"] != answer.headers["ETag"]
        known = {"If-None-Match": answer.headers["ETag"]}
        again = await client.get(f"/anime/mal/{mal_id}?fields=mal_id,score,title", headers=known)
        assert again.status_code == 304


@pytest.mark.parametrize(
    ("query", "field", "hint"),
    [
        ("field=title", "field", "did you mean fields?"),
        ("fields=titel", "fields", "did you mean title?"),
        ("limit=3", "limit", "Unknown parameter"),
        ("fields=title&fieldz=x", "fieldz", "did you mean fields?"),
    ],
)
async def test_unknown_parameters_are_rejected_without_a_call(
    client: httpx.AsyncClient, jikan_standin: JikanStandin, query: str, field: str, hint: str
) -> None:
    answer = await client.get(f"/anime/mal/777?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")
    assert hint in answer.json()["details"]["fields"][field][0]
    assert jikan_standin.stats().total == 0


async def test_no_route_of_the_catalogue_ignores_a_parameter(
    client: httpx.AsyncClient, admin: SignedIn
) -> None:
    routes = [route for route in ROUTES if route.path.startswith(("/anime", "/genres", "/search"))]
    asked = [route for route in routes if route.method == "GET" or "/sync/" in route.path]
    assert len(asked) >= 10
    for route in asked:
        answer = await client.request(
            route.method, route.url(), params={"q": "bebop", "nothing": "1"}, headers=admin.headers
        )
        assert answer.status_code == 422, route.name
        assert "nothing" in answer.json()["details"]["fields"], route.name
