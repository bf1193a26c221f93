"""Imports from AniList without a connected account: by user name, and of lists that a client fetched."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from dirty_equals import IsPartialDict

from app.config import Settings
from app.utils.db.database import Database
from tests.fixtures.anilist import Connected, connected
from tests.standin.anilist import AniListStandin, failure, fuzzy


@pytest.fixture
def anilist() -> AniListStandin:
    return AniListStandin()


@pytest.fixture
async def me(settings: Settings, database: Database, anilist: AniListStandin) -> AsyncIterator[Connected]:
    async with connected(settings, database, anilist) as somebody:
        yield somebody


async def test_only_anilist_can_be_imported_here(me: Connected) -> None:
    for provider in ("mal", "kitsu", "AniList", "%00", "%F0%9F%92%A9"):
        bodies: list[dict[str, Any] | None] = [{}, {"animes": []}, None]
        for body in bodies:
            answer = await me.client.post(f"/api/import/{provider}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR"), provider
    assert (await me.client.get("/api/import/mal")).status_code == 405


async def test_public_lists_are_imported_by_name_and_again_change_nothing(
    me: Connected, anilist: AniListStandin
) -> None:
    """A list of several years: one call per chunk, every field stored, no row lost."""
    statuses = ["CURRENT", "PLANNING", "COMPLETED", "DROPPED", "PAUSED", "REPEATING"]
    for number in range(1, 1201):
        anilist.add(
            number, mal_id=number, status=statuses[number % 6], score=number % 101, progress=number % 30,
            repeat=number % 3, notes=f"note {number}" if number % 2 else None,
            startedAt=fuzzy(2015, number % 12 + 1), hidden=number % 50 == 0,
        )  # fmt: skip
    anilist.add(5000, type="MANGA", progress=3, progressVolumes=1)
    anilist.custom = {"Hidden ones": list(range(50, 1201, 50)), "Best": [1, 2, 3]}
    job = await me.order("/api/import/anilist", username="mio")
    assert (job["status"], job["error"]) == ("succeeded", None)
    assert anilist.count("MediaListCollection") == 4, "three chunks of anime, one of manga"
    report = (await me.client.get(f"/users/me/import/{job['id']}/report")).json()
    assert {name: report[name] for name in ("added", "updated", "unchanged", "skipped", "failed")} == {
        "added": 1201, "updated": 0, "unchanged": 0, "skipped": 0, "failed": 0,
    }  # fmt: skip
    items = await me.items()
    assert len(items) == 1201
    assert items[7] == IsPartialDict(status="planning", progress=7, type="anime")
    again = await me.order("/api/import/anilist", username="mio")
    report = (await me.client.get(f"/users/me/import/{again['id']}/report")).json()
    assert (report["unchanged"], report["added"]) == (1201, 0)


async def test_an_unknown_user_name_is_reported(me: Connected) -> None:
    job = await me.order("/api/import/anilist", username="nobody")
    assert (job["status"], job["error"]) == (
        "failed", "AniList has no user 'nobody', or their lists are private.",
    )  # fmt: skip
    for name in ("", " ", "a b", "../x", "x" * 51):
        assert (await me.client.post("/api/import/anilist", json={"username": name})).status_code == 422


async def test_an_import_waits_for_an_anilist_that_is_switched_off(
    me: Connected, anilist: AniListStandin
) -> None:
    anilist.add(1)
    anilist.answer = lambda *_: failure(403, "disabled")
    job = await me.order("/api/import/anilist", username="mio")
    assert (job["status"], "switched off" in job["error"]) == ("queued", True)


async def test_lists_that_a_client_read_are_answered_as_it_knows_and_imported(me: Connected) -> None:
    lists = [
        {"status": "CURRENT", "entries": [{"media": {"title": {"english": "One"}}}, {"media": {}}]},
        {"status": "PLANNING", "entries": [{"media": {"title": {"english": "Two"}}, "progress": 0}]},
        {"status": "PAUSED", "entries": [{"media": {"title": {"english": "Three"}}}]},
    ]
    answer = await me.client.post("/api/import/anilist", json={"animes": lists})
    assert answer.status_code == 200, answer.text
    assert [(one["title"], one["status"]) for one in answer.json()["animes"]] == [
        ("One", "watching"), ("Two", "plan to watch"), ("Three", "on hold"),
    ]  # fmt: skip
    assert set(answer.json()["animes"][0]) == {"id", "thumbnail", "title", "status"}
    job = await me.run(answer.json()["job"]["job_id"])
    assert job["status"] == "succeeded"
    items = (await me.client.get("/api/library/items")).json()
    assert {(item["title"], item["status"]) for item in items} == {
        ("One", "watching"), ("Two", "planning"), ("Three", "on_hold"),
    }  # fmt: skip
    empty: list[Any] = [None, [], [None], [{"status": "CURRENT", "entries": []}]]
    for animes in empty:
        assert (await me.client.post("/api/import/anilist", json={"animes": animes})).status_code == 400
    assert (await me.client.post("/api/import/anilist", json={})).status_code == 400


async def test_unreadable_parts_of_fetched_lists_cost_only_themselves(me: Connected) -> None:
    lists = [
        None,
        {"status": "PAUSED", "entries": None},
        {
            "status": 7,
            "entries": [None, 3, [], {"media": None}, {"media": {"title": {"english": "One"}}}],
        },
        {"status": "P" * 99, "entries": [{"media": {"title": "Two"}, "progress": None, "score": {}}]},
        {
            "status": "PLANNING",
            "entries": [{"status": {}, "media": {"title": {"romaji": "Three"}}}],
        },
    ]
    answer = await me.client.post("/api/import/anilist", json={"animes": lists})
    assert answer.status_code == 200, answer.text
    assert [one["title"] for one in answer.json()["animes"]] == ["One", "Two", "Three"]
    job = await me.run(answer.json()["job"]["job_id"])
    assert job["status"] == "succeeded"
    report = (await me.client.get(f"/users/me/import/{job['id']}/report")).json()
    assert (report["added"], report["failed"]) == (3, 4)
