"""/anime/jikan/*: Jikan's data, its limits, and its failures as API errors."""

from typing import Any

import httpx
import pytest

from app.config import Settings
from tests.standin import JikanStandin


@pytest.fixture
def settings(settings: Settings, jikan_standin: JikanStandin) -> Settings:
    return settings.model_copy(update={"jikan_base_url": jikan_standin.base_url})


async def data_of(standin: JikanStandin, path: str) -> Any:
    async with httpx.AsyncClient() as jikan:
        return (await jikan.get(standin.base_url + path)).json()["data"]


async def test_the_top_is_jikans_own_list(client: httpx.AsyncClient, jikan_standin: JikanStandin) -> None:
    answer = await client.get("/anime/jikan/top", params={"page": 2, "limit": 5})
    assert answer.json() == await data_of(jikan_standin, "/top/anime?page=2&limit=5")
    assert answer.headers["X-Cache"] == "miss"
    again = await client.get("/anime/jikan/top?page=2&limit=5")
    assert (again.headers["X-Cache"], again.content) == ("hit", answer.content)
    same = await client.get(
        "/anime/jikan/top?page=2&limit=5", headers={"If-None-Match": again.headers["ETag"]}
    )
    assert same.status_code == 304


async def test_a_title_has_all_of_jikans_data(client: httpx.AsyncClient, jikan_standin: JikanStandin) -> None:
    answer = await client.get("/anime/jikan/777")
    assert answer.json() == await data_of(jikan_standin, "/anime/777/full")


@pytest.mark.parametrize("name", ["query", "q"])
async def test_search_under_both_names(
    client: httpx.AsyncClient, jikan_standin: JikanStandin, name: str
) -> None:
    answer = await client.get("/anime/jikan/search", params={name: "  Silver   Garden "})
    assert answer.status_code == 200
    (call,) = jikan_standin.calls()
    assert "q=Silver+Garden" in call.target or "q=Silver%20Garden" in call.target


@pytest.mark.parametrize(
    "path",
    [
        "/anime/jikan/top?limit=26",
        "/anime/jikan/top?limit=0",
        "/anime/jikan/top?page=0",
        "/anime/jikan/top?page=99999999999999999999",
        "/anime/jikan/top?pgae=2",
        "/anime/jikan/search",
        "/anime/jikan/search?q=",
        "/anime/jikan/search?q=%20%20",
        "/anime/jikan/search?q=a&query=b",
        "/anime/jikan/search?q=a&limit=5",
        f"/anime/jikan/search?q={'a' * 101}",
        "/anime/jikan/search?q=a%00b",
        "/anime/jikan/0",
        "/anime/jikan/2147483648",
        "/anime/jikan/abc",
    ],
)
async def test_invalid_values_are_422_without_a_call(
    client: httpx.AsyncClient, jikan_standin: JikanStandin, path: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")
    assert jikan_standin.stats().total == 0


async def test_every_response_has_rate_limit_headers(
    client: httpx.AsyncClient, jikan_standin: JikanStandin
) -> None:
    fine = await client.get("/anime/jikan/777")
    absent = await client.get("/anime/jikan/99999999")
    jikan_standin.behave("html")
    broken = await client.get("/anime/jikan/778")
    refused = await client.get("/anime/jikan/0")
    assert [one.status_code for one in (fine, absent, broken, refused)] == [200, 404, 502, 422]
    left = []
    for one in (fine, absent, broken, refused):
        assert (one.headers["RateLimit-Limit"], one.headers["RateLimit-Policy"]) == ("600", "600;w=60")
        assert 0 < int(one.headers["RateLimit-Reset"]) <= 60
        left.append(int(one.headers["RateLimit-Remaining"]))
    assert left == [599, 598, 597, 596]


async def test_a_client_beyond_the_limit_gets_429(client: httpx.AsyncClient) -> None:
    answers = [await client.get("/anime/jikan/0") for _ in range(601)]
    assert [one.status_code for one in answers[:600]] == [422] * 600
    last = answers[600]
    assert (last.status_code, last.json()["code"]) == (429, "RATE_LIMITED")
    assert last.headers["RateLimit-Remaining"] == "0"
    assert 0 < int(last.headers["Retry-After"]) <= 61
