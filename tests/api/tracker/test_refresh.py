"""Refreshing an item from AniList, with recorded responses."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from dirty_equals import IsPartialDict

from app.config import Settings
from app.container import build
from app.main import create_app
from app.services.library.anilist_refresh import REFRESHES
from app.utils.db.database import Database
from tests.fixtures.accounts import make_account

ITEM = {"title": "Bebop", "type": "anime", "source": "manual", "progress": 5}


class AniList:
    """Returns what the test sets, and records the requests."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(500)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.method == "POST"
        self.asked.append(json.loads(request.content)["variables"])
        return self.answer()


@pytest.fixture
def anilist() -> AniList:
    return AniList()


@pytest.fixture
async def mine(
    settings: Settings, database: Database, redis_url: str, anilist: AniList
) -> AsyncIterator[httpx.AsyncClient]:
    async with build(settings, db=database, transport=httpx.MockTransport(anilist)) as container:
        transport = httpx.ASGITransport(app=create_app(settings, container=container))
        user = await make_account(container)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://testserver", headers=user.headers
        ) as client:
            yield client


async def add(mine: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await mine.post("/api/library/items", json={**ITEM, **fields})
    assert answer.status_code == 200, answer.text
    item: dict[str, Any] = answer.json()
    return item


async def refresh(mine: httpx.AsyncClient, item: dict[str, Any]) -> httpx.Response:
    return await mine.post(f"/api/library/items/{item['id']}/refresh")


def recorded(shared: Path, name: str) -> httpx.Response:
    return httpx.Response(200, json=json.loads((shared / "upstream" / "anilist" / name).read_text()))


@pytest.mark.parametrize(("ids", "asked"), [({"anilist_id": 1}, {"id": 1}), ({"mal_id": 1}, {"idMal": 1})])
async def test_title_cover_and_total_are_taken_over(
    mine: httpx.AsyncClient, anilist: AniList, shared: Path, ids: dict[str, int], asked: dict[str, int]
) -> None:
    item = await add(mine, **ids, status="watching")
    media = recorded(shared, "media_1_duration_24.json").json()["data"]["Media"]
    media["siteUrl"] = "https://anilist.co/anime/1"
    anilist.answer = lambda: httpx.Response(200, json={"data": {"Media": media}})
    answer = await refresh(mine, item)
    assert answer.status_code == 200, answer.text
    assert anilist.asked == [{**asked, "type": "ANIME"}]
    assert answer.json() == IsPartialDict(
        title="Cowboy Bebop", max_progress=26, progress=5, status="watching", source="manual",
        format="TV", site_url="https://anilist.co/anime/1",
    )  # fmt: skip
    assert answer.json()["cover_url"].startswith("https://s4.anilist.co/")
    assert (await mine.get(f"/api/library/items/{item['id']}")).json() == answer.json()


async def test_progress_above_anilists_total_is_kept(
    mine: httpx.AsyncClient, anilist: AniList, shared: Path
) -> None:
    item = await add(mine, anilist_id=1, progress=30)
    anilist.answer = lambda: recorded(shared, "media_1_duration_24.json")
    assert (await refresh(mine, item)).json() == IsPartialDict(progress=30, max_progress=None)


async def test_an_item_without_ids_cannot_be_looked_up(mine: httpx.AsyncClient, anilist: AniList) -> None:
    answer = await refresh(mine, await add(mine))
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT_ERROR")
    assert "AniList id" in answer.json()["detail"]
    assert anilist.asked == []


async def test_an_absent_item_is_not_found(mine: httpx.AsyncClient, anilist: AniList) -> None:
    assert (await refresh(mine, {"id": 2_000_000_000})).status_code == 404
    assert anilist.asked == []


OTHER = {"id": 2, "type": "ANIME", "title": {"romaji": "Another"}}
FAILURES: dict[str, tuple[Callable[[], httpx.Response], int]] = {
    "gone": (lambda: httpx.Response(404, json={"errors": [{"status": 404}], "data": {"Media": None}}), 404),
    "gone with 200": (lambda: httpx.Response(200, json={"errors": [{"status": 404}], "data": None}), 404),
    "switched off": (lambda: httpx.Response(403), 503),
    "errors with 200": (lambda: httpx.Response(200, json={"errors": [{"message": "no"}]}), 502),
    "errors of no shape": (lambda: httpx.Response(200, json={"errors": [1]}), 502),
    "limited": (lambda: httpx.Response(429, headers={"Retry-After": "60"}), 503),
    "html": (lambda: httpx.Response(200, html="<h1>hello</h1>"), 502),
    "no media": (lambda: httpx.Response(200, json={"data": {"Media": None}}), 502),
    "another title": (lambda: httpx.Response(200, json={"data": {"Media": OTHER}}), 502),
}


async def test_a_server_that_keeps_failing_is_not_our_failure(
    mine: httpx.AsyncClient, anilist: AniList
) -> None:
    item = await add(mine, anilist_id=1)
    answer = await refresh(mine, item)
    assert answer.status_code in {502, 503, 504}
    assert "Retry-After" in answer.headers
    assert (await mine.get(f"/api/library/items/{item['id']}")).json() == item


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failure_of_anilist_changes_nothing(
    mine: httpx.AsyncClient, anilist: AniList, failure: str
) -> None:
    item = await add(mine, anilist_id=1)
    anilist.answer, status = FAILURES[failure]
    answer = await refresh(mine, item)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) >= {"code", "message", "detail", "request_id"}
    assert (await mine.get(f"/api/library/items/{item['id']}")).json() == item


async def test_refreshes_per_user_are_limited(mine: httpx.AsyncClient, anilist: AniList) -> None:
    """AniList's limit is shared by all users, so no single user may exhaust it."""
    item = await add(mine, anilist_id=1)
    answers = [await refresh(mine, item) for _ in range(REFRESHES.limit + 5)]
    assert [answer.status_code for answer in answers[-5:]] == [429] * 5
    assert 429 not in [answer.status_code for answer in answers[:-5]]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers[:2]] == ["9", "8"]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert len(anilist.asked) <= REFRESHES.limit * 5  # each may have been retried


async def test_unusable_urls_and_formats_are_not_stored(mine: httpx.AsyncClient, anilist: AniList) -> None:
    item = await add(mine, anilist_id=1, cover_url="https://img.test/ours.jpg", format="TV")
    odd: Any
    for odd in ("javascript:alert(1)", "https://img.test/" + "x" * 5000, 7, None, {}, ""):
        media = {
            "id": 1,
            "type": "ANIME",
            "title": {"romaji": "B"},
            "siteUrl": odd,
            "coverImage": {"large": odd},
        }
        media["format"] = "F" * 9000 if isinstance(odd, str) else odd
        anilist.answer = lambda media=media: httpx.Response(200, json={"data": {"Media": media}})  # type: ignore[misc]
        answer = await refresh(mine, item)
        assert answer.json() == IsPartialDict(cover_url="https://img.test/ours.jpg", site_url=None), odd
        assert len(answer.json()["format"]) <= 500
