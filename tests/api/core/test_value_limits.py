"""Values at and beyond the limits over HTTP: the last valid one is stored, the next one is a 422."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.container import Container
from app.tasks import performer
from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn

LIST = "/users/me/list"
ITEMS = "/api/library/items"
EARLY, LATE = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"
NO_COUNTS: list[Any] = [-1, 2**31 - 1, 2**31, 2**63, 10**40]
NO_DAYS = ["0001", "1899-12-31", "2201-01-01", "9999"]
NO_INSTANTS = [EARLY, LATE, "1899-12-31T23:59:59Z", "2201-01-01T00:00:00Z", "1900-01-01T00:00:00+00:01"]
ENTRY: dict[str, tuple[list[Any], list[Any]]] = {
    "progress": ([0, 100_000], [100_001, *NO_COUNTS]),
    "max_progress": ([100_000], [100_001, *NO_COUNTS]),
    "rewatch_count": ([0, 10_000], [10_001, *NO_COUNTS]),
    "started_at": (["1900", "2200-12-31"], NO_DAYS),
    "finished_at": (["1900-01-01", "2200-12"], NO_DAYS),
    "notes": (["x" * 10_000], ["x" * 10_001]),
    "tags": (
        [["x" * 1000], [str(number) for number in range(50)]],
        [["x" * 1001], [str(number) for number in range(51)]],
    ),
    "score": ([0, 10], [10.1, 1e-320, 1e308]),
}
TITLE: dict[str, tuple[list[Any], list[Any]]] = {
    "episodes": ([100_000], [100_001, *NO_COUNTS]),
    "duration_minutes": ([0.01, 10_000], [0.009, 1e-320, 10_000.01, 1e308, -0.0]),
    "year": ([1900, 2200], [1899, 2201]),
    "aired_from": (["1900", "2200"], NO_DAYS),
}
STOP: dict[str, tuple[list[Any], list[Any]]] = {
    "episode": ([1, 100_000], [0, 100_001, *NO_COUNTS]),
    "position_seconds": ([0, 1_000_000], [1_000_001, *NO_COUNTS]),
    "progress_percent": ([0, 1e-320, 100], [-1, 100.01, 1e308]),
    "client_ts": (["1900-01-01T00:00:00Z", "1899-12-31T23:00:00-14:00", "2200-12-31T23:59:59Z"], NO_INSTANTS),
}
VIEW: dict[str, tuple[list[Any], list[Any]]] = {
    "episode": ([1, 100_000], [0, 100_001, *NO_COUNTS]),
    "at": (["1900-01-01T00:00:00Z", "2200-12-31T23:59:59Z"], NO_INSTANTS),
}


@pytest.fixture
async def title(database: Database) -> int:
    """A title without a known number or length of episodes."""
    async with database.transaction() as tx:
        rows = await tx.session.execute(
            text("insert into anime (mal_id, title) values (1, 'A') returning id")
        )
        return int(rows.scalar_one())


def refused(answer: httpx.Response, field: str) -> bool:
    """A 422 that names the field, or a part of it."""
    told = answer.json()["details"]["fields"]
    return answer.status_code == 422 and all(name.partition(".")[0] == field for name in told)


@pytest.mark.parametrize("field", ENTRY)
async def test_list_entries(mine: httpx.AsyncClient, title: int, field: str) -> None:
    fits, beyond = ENTRY[field]
    for value in beyond:
        body = {"anime_id": title, "status": "dropped", field: value}
        assert refused(await mine.post(LIST, json=body), field), value
        batch = await mine.post(f"{LIST}/batch", json={"operations": [{"op": "add", **body}]})
        assert batch.json()["results"][0]["status"] == 422
    await mine.post(LIST, json={"anime_id": title, "status": "dropped"})
    for value in beyond:
        assert refused(await mine.patch(f"{LIST}/{title}", json={field: value}), field), value
    for value in fits:
        after = await mine.patch(f"{LIST}/{title}", json={field: value})
        assert after.status_code == 200, after.text
        assert after.json()[field] == value


@pytest.mark.parametrize("field", ["progress", "max_progress"])
async def test_items_of_the_tracker(mine: httpx.AsyncClient, field: str) -> None:
    body = {"title": "Mine", "type": "manga", "source": "me"}
    item = (await mine.post(ITEMS, json={**body, field: 100_000})).json()
    assert item[field] == 100_000
    for value in (100_001, *NO_COUNTS):
        assert refused(await mine.post(ITEMS, json={**body, field: value}), field)
        answer = await mine.patch(f"{ITEMS}/{item['id']}", json={field: value})
        assert refused(answer, field)
        assert answer.json()["detail"]


async def test_a_total_of_zero_is_unknown(mine: httpx.AsyncClient, title: int) -> None:
    added = await mine.post(LIST, json={"anime_id": title, "status": "watching", "max_progress": 0})
    assert added.json()["max_progress"] is None


@pytest.mark.parametrize("field", TITLE)
async def test_titles(client: httpx.AsyncClient, admin: SignedIn, field: str) -> None:
    fits, beyond = TITLE[field]
    for value in beyond:
        answer = await client.post("/anime", json={"title": "A", field: value}, headers=admin.headers)
        assert refused(answer, field), value
    for value in fits:
        answer = await client.post("/anime", json={"title": "A", field: value}, headers=admin.headers)
        assert answer.json()[field] == value


@pytest.mark.parametrize("field", STOP)
async def test_reports_of_playback(mine: httpx.AsyncClient, title: int, field: str) -> None:
    fits, beyond = STOP[field]
    body = {"anime_id": title, "episode": 1, "position_seconds": 1}
    for value in beyond:
        assert refused(await mine.post("/watch/progress", json={**body, field: value}), field), value
    for value in fits:
        assert (await mine.post("/watch/progress", json={**body, field: value})).status_code == 200


@pytest.mark.parametrize("field", VIEW)
async def test_views(mine: httpx.AsyncClient, title: int, field: str) -> None:
    fits, beyond = VIEW[field]
    for value in beyond:
        body = {"anime_id": title, "episode": 1, field: value}
        assert refused(await mine.post("/views", json=body), field), value
    for value in fits:
        body = {"anime_id": title, "episode": 1, field: value}
        assert (await mine.post("/views", json=body)).status_code == 201


async def test_instants_in_a_query(mine: httpx.AsyncClient) -> None:
    for instant in NO_INSTANTS:
        assert refused(await mine.get(LIST, params={"updated_since": instant}), "updated_since")
    for instant in ("1900-01-01T00:00:00Z", "2200-12-31T23:59:59Z"):
        assert (await mine.get(LIST, params={"updated_since": instant})).status_code == 200


async def test_increments_stop_at_the_limit(mine: httpx.AsyncClient, title: int) -> None:
    entry = f"{LIST}/{title}"
    await mine.post(LIST, json={"anime_id": title, "status": "watching", "progress": 99_999})
    for steps in (1, 1, 100_000):
        after = await mine.patch(entry, json={"progress_delta": steps})
        assert (after.status_code, after.json()["progress"]) == (200, 100_000)
    await mine.patch(entry, json={"status": "completed", "is_rewatching": True, "rewatch_count": 10_000})
    after = await mine.patch(entry, json={"status": "completed"})
    assert (after.status_code, after.json()["rewatch_count"]) == (200, 10_000)
    assert after.json()["is_rewatching"] is False


async def test_nothing_follows_the_last_possible_episode(mine: httpx.AsyncClient, title: int) -> None:
    report = {"anime_id": title, "episode": 100_000, "progress_percent": 100}
    assert (await mine.post("/watch/progress", json=report)).status_code == 200
    assert (await mine.get("/watch/continue")).json() == []


async def test_statistics_of_the_largest_values(
    mine: httpx.AsyncClient, admin: SignedIn, database: Database
) -> None:
    largest = {"title": "A", "episodes": 100_000, "duration_minutes": 10_000, "genres": ["Drama"]}
    for _ in range(3):
        added = await mine.post("/anime", json=largest, headers=admin.headers)
        body = {"anime_id": added.json()["id"], "status": "watching", "rewatch_count": 10_000}
        await mine.post(LIST, json={**body, "is_rewatching": True, "progress": 99_999, "score": 10})
    other = {"title": "B", "genres": ["Drama"], "scored_by": 2**31 - 1, "members": 2**31 - 1, "score": 1e-320}
    assert (await mine.post("/anime", json=other, headers=admin.headers)).status_code == 201
    episodes = 3 * (99_999 + 10_001 * 100_000)
    stats = (await mine.get("/users/me/stats")).json()
    assert (stats["episodes"], stats["minutes"]) == (episodes, episodes * 10_000)
    recommended = await mine.get("/users/me/recommendations")
    assert [anime["title"] for anime in recommended.json()] == ["B"]


async def test_an_import_of_larger_counts_is_brought_to_the_limit(
    mine: httpx.AsyncClient, title: int, container: Container
) -> None:
    file = b"""<myanimelist><anime><series_animedb_id>1</series_animedb_id><series_title>A</series_title>
        <my_watched_episodes>2147483647</my_watched_episodes><my_times_watched>2147483647</my_times_watched>
        <my_status>Watching</my_status></anime></myanimelist>"""
    answer = await mine.post("/users/me/import", files={"file": ("list.xml", file)})
    assert answer.status_code == 202, answer.text
    await container.jobs.run(answer.json()["job_id"], performer(container))
    entry = (await mine.get(f"{LIST}/{title}")).json()
    assert (entry["progress"], entry["rewatch_count"]) == (100_000, 10_000)
    assert (await mine.get("/users/me/stats")).status_code == 200


async def test_the_document_states_the_limits(client: httpx.AsyncClient) -> None:
    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]

    def bounds(name: str, field: str) -> tuple[Any, Any]:
        shape = schemas[name]["properties"][field]
        shape = next((kind for kind in shape.get("anyOf", []) if kind["type"] != "null"), shape)
        return shape.get("minimum"), shape.get("maximum")

    for name in ("EntryInput", "EntryPatch", "ItemInput", "ItemPatch"):
        assert bounds(name, "progress") == bounds(name, "max_progress") == (0, 100_000)
    assert bounds("EntryPatch", "rewatch_count") == (0, 10_000)
    assert bounds("ProgressInput", "position_seconds") == (0, 1_000_000)
    assert bounds("ViewInput", "episode") == (1, 100_000)
    assert bounds("AnimeInput", "duration_minutes") == (0.01, 10_000)
    assert bounds("AnimeInput", "year") == (1900, 2200)
    tags = schemas["EntryInput"]["properties"]["tags"]
    assert (tags["maxItems"], tags["items"]["maxLength"]) == (50, 1000)
