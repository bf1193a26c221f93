"""The AniLibria v2 surface with a working AniLibria stand-in, and with one that fails."""

import asyncio
from typing import Any

import httpx
import jsonschema_rs
import pytest
from sqlalchemy import text

from app.container import Container
from app.main import create_app
from tests.api.anilibria.conftest import V2
from tests.standin import AniLibriaStandin

pytestmark = pytest.mark.xdist_group("anilibria")


async def get(client: httpx.AsyncClient, path: str, code: int = 200, /, **query: Any) -> Any:
    answer = await client.get(V2 + path, params=query or None)
    assert answer.status_code == code, answer.text
    return answer.json()


async def test_a_title_is_fetched_once_and_then_comes_from_the_nearest_level(
    client: httpx.AsyncClient, container: Container, anilibria_standin: AniLibriaStandin
) -> None:
    first = await get(client, "/titles/7")
    assert first["success"] is True
    assert first["meta"] | {"cache_expires": ""} == {
        "source": "anilibria", "cached": False, "cache_level": None, "stale": False, "cache_expires": "",
    }  # fmt: skip
    title = first["data"]
    assert title["names"] == {"ru": "Тайтл номер 7", "en": "Title number 7", "alternative": None}
    assert (title["type"], title["status"], title["season"]) == ("OVA", "completed", "autumn")
    assert title["episodes"] == {"total": 12, "current": 4}
    episodes = title["player"]["episodes"]
    assert list(episodes) == ["1", "2", "2.5", "3"]
    assert [one["number"] for one in episodes.values()] == [1, 2, 2.5, 3]
    assert (episodes["1"]["name"], episodes["2.5"]["name"]) == (None, "Серия 2.5")
    assert [source["quality"] for source in episodes["1"]["sources"]] == ["1080p", "720p", "480p"]
    assert title["poster"]["large"].startswith("http://127.0.0.1:")
    assert title["description"] == "О номере 7.\nИ не только."
    levels = [(await get(client, "/titles/7"))["meta"]["cache_level"]]
    container.releases.titles._cache.on_gap()
    levels.append((await get(client, "/titles/7"))["meta"]["cache_level"])
    container.releases.titles._cache.on_gap()
    await container.redis.flushall()
    levels.append((await get(client, "/titles/7"))["meta"]["cache_level"])
    levels.append((await get(client, "/titles/7"))["meta"]["cache_level"])
    assert levels == ["l1", "l2", "l3", "l1"]
    assert (await get(client, "/titles/7"))["data"] == title
    assert anilibria_standin.stats().total == 1


async def test_a_title_that_does_not_exist_has_a_code_of_its_own(
    client: httpx.AsyncClient, anilibria_standin: AniLibriaStandin
) -> None:
    for _ in range(3):
        body = await get(client, "/titles/999999", 404)
        assert body["error"]["code"] == "TITLE_NOT_FOUND"
        assert body["error"]["message"] == "Тайтл с указанным ID не найден"
        assert body["error"]["details"] == {
            "title_id": 999999,
            "searched_sources": ["cache", "api", "database"],
        }
    assert anilibria_standin.stats().total == 1, "that it does not exist is remembered"


@pytest.mark.parametrize("mirrored", [False, True])
async def test_lists_filter_sort_and_page(
    client: httpx.AsyncClient, container: Container, *, mirrored: bool
) -> None:
    if mirrored:
        await container.releases.following.mirror()
    page = await get(client, "/titles", year=2007, season="autumn", limit=2)
    assert page["pagination"] == {"page": 1, "limit": 2, "total": 2, "pages": 1}
    assert [(one["year"], one["season"]) for one in page["data"]] == [(2007, "autumn")] * 2
    pages = [await get(client, "/titles", year=2007, limit=2, page=number) for number in (1, 2, 3)]
    assert len({one["id"] for page in pages for one in page["data"]}) == 5
    past = await get(client, "/titles", year=2007, limit=2, page=4000)
    assert (past["data"], past["pagination"]["total"]) == ([], 5)
    ongoing = await get(client, "/titles", status="ongoing", limit=100)
    assert {one["status"] for one in ongoing["data"]} == {"ongoing"}
    for spelling in (
        "genres=Драма,Комедия",
        "genres=драма&genres=Комедия",
        "genres[]=Драма&genres[]=комедия",
    ):
        found = (await client.get(f"{V2}/titles?{spelling}&limit=100&year=2009")).json()
        assert [one["id"] for one in found["data"]] == [9]
        assert set(found["data"][0]["genres"]) == {"Драма", "Комедия"}
    assert (await get(client, "/titles", genres="Нет такого"))["data"] == []
    years = [
        one["year"] for one in (await get(client, "/titles", sort="year", order="asc", limit=30))["data"]
    ]
    assert years == sorted(years)
    found = await get(client, "/titles", search="НОМЕР 11", limit=50)
    assert {one["id"] for one in found["data"]} == {11, *range(110, 120)}
    assert found["meta"]["cache_level"] == ("l3" if mirrored else None)
    popular = [one["favorites"] for one in (await get(client, "/popular", limit=20))["data"]]
    assert popular == sorted(popular, reverse=True)
    assert len((await get(client, "/updates", limit=7))["data"]) == 7
    if mirrored:
        ids = [one["id"] for one in (await get(client, "/titles", sort="id", order="asc", limit=100))["data"]]
        assert ids == list(range(1, 101))


async def test_every_sort_follows_the_shown_value(
    client: httpx.AsyncClient, container: Container, anilibria_standin: AniLibriaStandin
) -> None:
    """Some titles lack one date, two, or all; titles without the value come last in both directions."""
    dates = ("updated_at", "fresh_at", "created_at")
    for number in range(1, 41):
        moments = [f"2024-{number * step % 12 + 1:02}-01T00:00:00Z" for step in (5, 7, 11)]
        said = {**dict(zip(dates, moments, strict=True)), **dict.fromkeys(dates[: number % 4])}
        anilibria_standin.change(number, **said, year=None if number % 9 == 0 else 2000 + number % 7)
    await container.releases.following.mirror()
    for sort, shown in (("id", "id"), ("year", "year"), ("rating", "rating"), ("updated", "updated_at")):
        for order in ("asc", "desc"):
            pages = [
                await get(client, "/titles", sort=sort, order=order, page=page, limit=50)
                for page in (1, 2, 3)
            ]
            values = [one[shown] for page in pages for one in page["data"]]
            told = [value for value in values if value is not None]
            assert values == sorted(told, reverse=order == "desc") + [None] * (len(values) - len(told)), sort


_BAD = [
        "/titles?limit=0", "/titles?limit=101", "/titles?page=0", "/titles?page=x", "/titles?season=fall",
        "/titles?status=airing", "/titles?sort=name", "/titles?order=up", "/titles?year=0",
        "/titles?year=99999999999999", "/titles?search=%00", "/titles?unknown=1", "/search?q=a", "/search",
        "/search?q=abc&limit=1000", "/search?q=abc&fuzzy=perhaps", "/titles/0", "/titles/abc",
        "/titles/99999999999999999999", "/popular?limit=-1", "/updates?page=0",
    ]  # fmt: skip


async def test_bad_parameters_are_400_in_russian(client: httpx.AsyncClient) -> None:
    for query in _BAD:
        answer = await client.get(V2 + query)
        body = answer.json()
        assert (answer.status_code, body["success"]) == (400, False), query
        assert body["error"]["code"] == "VALIDATION_ERROR"
        assert body["error"]["message"] == "Неверные параметры запроса"
        told = [text for texts in body["error"]["details"]["fields"].values() for text in texts]
        assert told, query
        assert all(text[0] in "ОНЗСП" for text in told), told
        assert told == [error["message"] for error in body["error"]["details"]["errors"]]
    limit = (await client.get(f"{V2}/titles?limit=101")).json()["error"]["details"]["fields"]["limit"]
    assert limit == ["Значение слишком велико: максимум 100"]


async def test_search_schedule_genres_random_and_health(client: httpx.AsyncClient) -> None:
    found = await get(client, "/search", q="title NUMBER 12", limit=5)
    assert [one["id"] for one in found["data"]] == [12, 120]
    fuzzy = await get(client, "/search", q="Titel namber 12", fuzzy="true", limit=5)
    assert fuzzy["data"] == [] or 12 in [one["id"] for one in fuzzy["data"]]
    week = (await get(client, "/schedule"))["data"]
    assert [day["day"] for day in week] == [1, 2, 3, 4, 5, 6, 7]
    assert {title["next_episode"] for day in week for title in day["titles"]} >= {5}
    assert all(title["publish_day"] == day["day"] for day in week for title in day["titles"])
    assert {"Драма", "Экшен"} <= {genre["name"] for genre in (await get(client, "/genres"))["data"]}
    assert (await get(client, "/random"))["data"]["player"]["episodes"]
    health = await get(client, "/health")
    assert health["status"] == "healthy"
    assert health["anilibria_api"]["status"] == health["database"]["status"] == "connected"
    assert isinstance(health["anilibria_api"]["response_time"], int)
    assert 0 <= health["cache"]["hit_rate"] <= 1


@pytest.mark.parametrize("fault", ["refuse", "status", "html", "garbage", "hang", "limited"])
async def test_stored_titles_are_served_while_anilibria_fails(
    client: httpx.AsyncClient, container: Container, anilibria_standin: AniLibriaStandin, fault: str
) -> None:
    paths = ["/titles/7", "/titles", "/search?q=number", "/popular", "/updates", "/schedule", "/genres"]
    known = {path: await get(client, path) for path in paths}
    if fault == "refuse":
        anilibria_standin.refuse()
    else:
        limited: dict[str, Any] = {"status": 429, "retry_after": "1"}
        mode, options = ("status", limited) if fault == "limited" else (fault, dict[str, Any]())
        anilibria_standin.behave(mode, **options)
    await container.redis.flushall()
    container.releases.titles._cache.on_gap()
    async with container.db.transaction() as tx:
        await tx.session.execute(text("update releases set fetched_at = now() - interval '3 days'"))
        await tx.session.execute(text("update upstream_answers set fetched_at = now() - interval '3 days'"))
    for path, before in known.items():
        body = await get(client, path)
        assert body["meta"]["stale"] is True, path
        assert body["meta"]["cache_level"] == "l3"
        if path not in {"/titles", "/popular", "/updates"}:  # these rely on our own rows alone
            assert body["data"] == before["data"]
        assert body["data"]
    unknown = await client.get(f"{V2}/titles/55555")
    assert unknown.status_code in {502, 503, 504}
    assert unknown.json()["error"]["code"].startswith("UPSTREAM_")


async def test_two_hundred_requests_for_one_cold_title_make_one_call(
    client: httpx.AsyncClient, anilibria_standin: AniLibriaStandin
) -> None:
    anilibria_standin.behave("slow", seconds=0.3)
    answers = await asyncio.gather(*(client.get(f"{V2}/titles/9") for _ in range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert anilibria_standin.stats().total == 1


async def test_a_client_has_a_hundred_requests_a_minute(container: Container) -> None:
    from app.main import create_app

    transport = httpx.ASGITransport(app=create_app(container.settings, container=container))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        for left in range(99, -1, -1):
            answer = await client.get(f"{V2}/genres")
            assert (answer.status_code, answer.headers["ratelimit-remaining"]) == (200, str(left))
        refused = await client.get(f"{V2}/titles/7")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMITED")
    assert int(refused.headers["retry-after"]) >= 1


async def test_an_etag_identifies_the_data(client: httpx.AsyncClient) -> None:
    first = await client.get(f"{V2}/titles/7")
    again = await client.get(f"{V2}/titles/7", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_seeds_example_fits_our_document(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    example = {
        "id": 9919,
        "names": {"ru": "Девочки-бабочки", "en": "Butterfly Girls", "alternative": "Chou Shoujo"},
        "description": "История о девочках...",
        "type": "TV",
        "status": "ongoing",
        "genres": ["Магия", "Школа", "Драма"],
        "year": 2025,
        "season": "summer",
        "episodes": {"total": 24, "current": 17},
        "poster": {"small": "https://a.test/s.jpg", "medium": "https://a.test/m.jpg", "large": None},
        "player": {
            "episodes": {
                "1": {
                    "name": "Первая встреча",
                    "preview": "https://a.test/p.jpg",
                    "sources": [{"quality": "1080p", "url": "https://a.test/v.m3u8", "type": "hls"}],
                }
            }
        },
        "updated_at": "2025-08-01T15:30:00Z",
        "blocked": False,
    }
    body = {
        "success": True,
        "data": [example],
        "pagination": {"page": 1, "limit": 20, "total": 150, "pages": 8},
        "meta": {"source": "anilibria", "cached": True, "cache_expires": "2025-08-01T16:30:00Z"},
    }
    schema = {"$ref": "#/components/schemas/TitlesAnswer", "components": document["components"]}
    jsonschema_rs.validate(schema, body)
    jsonschema_rs.validate(schema, await get(client, "/titles", limit=50))


async def test_the_core_surface_shows_the_same_rows(client: httpx.AsyncClient) -> None:
    await get(client, "/titles/7")
    (release,) = (await client.get("/releases")).json()
    assert (release["external_id"], release["title"], release["season"]) == (7, "Тайтл номер 7", "fall")
    assert (await client.get(f"/releases/{release['id']}")).json() == release
    episodes = await client.get("/episodes", params={"release_id": release["id"], "limit": 2})
    assert [one["number"] for one in episodes.json()] == [1, 2]
    assert episodes.headers["x-total-count"] == "4"
    known = {"If-None-Match": episodes.headers["etag"]}
    same = await client.get("/episodes", params={"release_id": release["id"], "limit": 2}, headers=known)
    assert same.status_code == 304
    assert (await client.get("/episodes?release_id=999")).status_code == 404
    assert (await client.get("/releases/999")).status_code == 404
    assert (await client.get("/episodes")).status_code == 422
    assert (await client.get("/releases?anime_id=999")).json() == []


async def test_a_title_in_memory_is_answered_like_any_other_until_it_changes(
    client: httpx.AsyncClient, container: Container, anilibria_standin: AniLibriaStandin
) -> None:
    def told(answer: httpx.Response) -> dict[str, str]:
        varies = {"x-request-id", "ratelimit-remaining", "ratelimit-reset", "date"}
        return {name: value for name, value in answer.headers.items() if name not in varies}

    path = f"{V2}/titles/21"
    await client.get(path)
    routed = await client.get(f"{path}?")  # from memory, the first time
    hot, again = await client.get(path), await client.get(path)
    assert routed.json()["meta"]["cache_level"] == "l1"
    assert hot.content == again.content == routed.content
    assert told(hot) == told(routed)
    assert hot.headers["ratelimit-limit"] == "100"
    unchanged = await client.get(path, headers={"If-None-Match": f'"x", {hot.headers["etag"]}'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == hot.headers["etag"]
    head = await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    assert plain.content == hot.content
    assert plain.headers["etag"] != hot.headers["etag"]
    requests = (await client.get("/metrics")).text
    assert 'endpoint="/api/anilibria/v2/titles/{title_id}",method="GET",status="304"' in requests
    anilibria_standin.change(21, description="Иначе")
    await container.releases.titles.invalidate([21])
    assert (await client.get(path)).json()["meta"]["cache_level"] != "l1"
    await container.releases.titles.clear("title:21")
    async with asyncio.timeout(10):
        while (await client.get(path)).json()["data"]["description"] != "Иначе":  # noqa: ASYNC110  # by HTTP
            await asyncio.sleep(0.05)


async def test_titles_in_memory_count_towards_the_limit(container: Container) -> None:
    transport = httpx.ASGITransport(app=create_app(container.settings, container=container))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        answers = [await client.get(f"{V2}/titles/22") for _ in range(102)]
    assert [answer.status_code for answer in answers] == [200] * 100 + [429] * 2
    remaining = [int(answer.headers["ratelimit-remaining"]) for answer in answers]
    assert remaining == [*range(99, -1, -1), 0, 0]
    assert answers[-1].json()["error"]["code"] == "RATE_LIMITED"
    assert int(answers[-1].headers["retry-after"]) > 0
