"""POST /anime/sync/*: permissions, and deduplicated jobs."""

import httpx
import pytest

from app.container import Container
from tests.fixtures.accounts import SignedIn

PATHS = ("/anime/sync/21", "/anime/sync/top", "/anime/sync/season")


@pytest.mark.parametrize("path", PATHS)
async def test_syncs_require_the_curator_permission(
    client: httpx.AsyncClient, user: SignedIn, path: str
) -> None:
    assert (await client.post(path)).status_code == 401
    refused = await client.post(path, headers=user.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/anime/sync/21", "anime.sync:21"),
        ("/anime/sync/top", "anime.sync_top:25"),
        ("/anime/sync/top?limit=1000", "anime.sync_top:1000"),
        ("/anime/sync/season?year=2024&season=Spring", "anime.sync_season:2024:spring"),
    ],
)
async def test_repeated_requests_return_the_same_job(
    client: httpx.AsyncClient, container: Container, admin: SignedIn, path: str, key: str
) -> None:
    first = await client.post(path, headers=admin.headers)
    assert first.status_code == 202
    assert first.headers["RateLimit-Limit"] == "1200"
    body = first.json()
    assert body.keys() == {"job_id", "key", "status", "status_url", "message"}
    assert (body["key"], body["status"]) == (key, "queued")
    again = (await client.post(path, headers=admin.headers)).json()
    assert again["job_id"] == body["job_id"]
    job = (await client.get(body["status_url"], headers=admin.headers)).json()
    assert (job["id"], job["key"]) == (body["job_id"], key)
    assert (await container.jobs.get(body["job_id"])).owner_id == admin.id


async def test_the_season_defaults_to_the_current_one(client: httpx.AsyncClient, admin: SignedIn) -> None:
    key = (await client.post("/anime/sync/season", headers=admin.headers)).json()["key"]
    year = (await client.post("/anime/sync/season?season=fall", headers=admin.headers)).json()["key"]
    assert key.split(":")[1] == year.split(":")[1]
    assert key.split(":")[2] in {"winter", "spring", "summer", "fall"}


@pytest.mark.parametrize(
    "path",
    [
        "/anime/sync/0",
        "/anime/sync/2147483648",
        "/anime/sync/abc",
        "/anime/sync/top?limit=0",
        "/anime/sync/top?limit=1001",
        "/anime/sync/top?limt=5",
        "/anime/sync/season?year=1899",
        "/anime/sync/season?year=2101",
        "/anime/sync/season?season=autumn",
        "/anime/sync/season?yaer=2024",
    ],
)
async def test_invalid_values_are_422(client: httpx.AsyncClient, admin: SignedIn, path: str) -> None:
    answer = await client.post(path, headers=admin.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")
