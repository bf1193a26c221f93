"""The two-way sync with AniList, through the API and the jobs, on a stand-in that can misbehave."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from dirty_equals import IsPartialDict
from sqlalchemy import text

from app.config import Settings
from app.schemas.jobs import PushList
from app.services.sync import lists
from app.utils.db.database import Database
from tests.fixtures.anilist import Connected, connected
from tests.standin.anilist import AniListStandin, failure, fuzzy

ANILIST = "anilist"


@pytest.fixture
def anilist() -> AniListStandin:
    return AniListStandin()


@pytest.fixture
async def me(settings: Settings, database: Database, anilist: AniListStandin) -> AsyncIterator[Connected]:
    async with connected(settings, database, anilist) as somebody:
        yield somebody


async def push(me: Connected) -> dict[str, Any]:
    return await me.submit(PushList(me.user.id, ANILIST))


async def make_quiet(me: Connected) -> None:
    """Make the last edits a few seconds old."""
    async with me.container.db.transaction() as tx:
        await tx.session.execute(text("update entries set updated_at = updated_at - interval '1 minute'"))


async def test_lists_are_brought_together_and_then_nothing_is_left_to_do(
    me: Connected, anilist: AniListStandin
) -> None:
    anilist.add(1, status="REPEATING", progress=5, score=85, repeat=2, notes="theirs", private=True,
                startedAt=fuzzy(2020, 5), completedAt=fuzzy(2021, 1, 2))  # fmt: skip
    anilist.add(2, type="MANGA", status="PAUSED", progress=12, progressVolumes=3)
    anilist.know(3)
    await me.connect()
    added = await me.client.post(
        "/api/library/items",
        json={"title": "Ours", "type": "anime", "source": "anilist", "anilist_id": 3, "progress": 4,
              "status": "watching"},
    )  # fmt: skip
    assert added.status_code == 200
    job = await me.order("/api/anilist/sync")
    assert (job["status"], job["error"]) == ("succeeded", None)
    items = await me.items()
    assert items[1] == IsPartialDict(status="watching", progress=5, title="Title 1", source="anilist")
    assert items[1] == IsPartialDict(format="TV", site_url="https://anilist.co/anime/1")
    assert items[2] == IsPartialDict(status="on_hold", progress=12, type="manga")
    assert [save["mediaId"] for save in anilist.saves] == [3]
    assert anilist.saves[0] == IsPartialDict(status="CURRENT", progress=4)
    before, saves = await me.items(), len(anilist.saves)
    assert (await me.order("/api/anilist/sync"))["status"] == "succeeded"
    assert (await me.items(), len(anilist.saves)) == (before, saves)
    status = (await me.client.get("/api/anilist/status")).json()
    assert status == IsPartialDict(connected=True, username="mio", pending=0, conflicts=0, reconnect=False)


async def test_an_edit_is_pushed_by_a_job_and_a_burst_by_a_single_one(
    me: Connected, anilist: AniListStandin
) -> None:
    anilist.add(1, progress=1)
    await me.connect()
    await me.order("/api/anilist/sync")
    item = (await me.items())[1]
    for progress in range(2, 22):
        await me.patch(item, progress=progress)
    queued = (await me.client.get("/jobs", params={"kind": "sync.push"})).json()
    assert [job["status"] for job in queued] == ["queued"]
    assert (await push(me))["status"] == "succeeded"
    assert anilist.saves == [IsPartialDict(mediaId=1, progress=21)]
    await push(me)
    assert len(anilist.saves) == 1


async def test_an_edit_without_effect_at_the_service_is_not_pushed(
    settings: Settings, database: Database
) -> None:
    anilist = AniListStandin(score_format="POINT_10")
    anilist.add(1, score=80)
    async with connected(settings, database, anilist) as me:
        await me.connect()
        await me.order("/api/anilist/sync")
        item = (await me.items())[1]
        await me.patch(item, title="Another name")
        await make_quiet(me)
        await push(me)
        assert anilist.saves == []
        assert (await me.client.get("/api/anilist/status")).json()["pending"] == 0


async def test_edits_of_an_outage_arrive_in_order_and_once(me: Connected, anilist: AniListStandin) -> None:
    for number in range(1, 6):
        anilist.add(number)
    await me.connect()
    await me.order("/api/anilist/sync")
    anilist.answer = lambda *_: failure(403, "The API has been temporarily disabled.")
    items = await me.items()
    for number in (3, 1, 5, 2, 4):
        await me.patch(items[number], progress=number)
    await make_quiet(me)
    job = await push(me)
    assert job["status"] == "queued"
    assert (await me.client.get("/api/anilist/status")).json() == IsPartialDict(pending=5, reconnect=False)
    anilist.answer = None
    assert (await push(me))["status"] == "succeeded"
    assert [save["mediaId"] for save in anilist.saves] == [3, 1, 5, 2, 4]
    assert {number: entry["progress"] for number, entry in anilist.entries.items()} == {
        n: n for n in range(1, 6)
    }


async def test_a_refused_token_stops_all_calls_until_the_account_is_connected_again(
    me: Connected, anilist: AniListStandin
) -> None:
    anilist.add(1)
    await me.connect()
    await me.order("/api/anilist/sync")
    old, anilist.token = anilist.token, "another-token"
    await me.patch((await me.items())[1], progress=7)
    await make_quiet(me)
    assert (await push(me))["status"] == "failed"
    calls = len(anilist.asked)
    assert (await push(me))["status"] == "failed"
    assert len(anilist.asked) == calls
    status = (await me.client.get("/api/anilist/status")).json()
    assert status == IsPartialDict(connected=True, reconnect=True, pending=1)
    answer = await me.client.post("/api/anilist/sync")
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT_ERROR")
    await me.connect()
    await push(me)
    assert anilist.saves == [IsPartialDict(mediaId=1, progress=7)]
    assert old != anilist.token


async def test_edits_wait_without_jobs_while_the_token_is_expired(
    me: Connected, anilist: AniListStandin
) -> None:
    for number in range(1, 4):
        anilist.add(number)
    await me.connect()
    await me.order("/api/anilist/sync")
    await _age(me, "expires_at = now() - interval '1 s', pulled_at = now() - interval '1 day'")
    calls, items = len(anilist.asked), await me.items()
    for number in (2, 3, 1):
        await me.patch(items[number], progress=number)
    await make_quiet(me)
    await _age(me, "pending_since = now() - interval '1 hour'")
    await me.container.sync.schedule.queue_due()
    assert await _count_unfinished_jobs(me) == 0
    status = (await me.client.get("/api/anilist/status")).json()
    assert status == IsPartialDict(connected=True, reconnect=True, pending=3)
    assert len(anilist.asked) == calls
    await me.connect()
    assert await _count_unfinished_jobs(me) == 1, "connecting again queues the push"
    assert (await push(me))["status"] == "succeeded"
    assert [save["mediaId"] for save in anilist.saves] == [2, 3, 1]
    assert (await me.client.get("/api/anilist/status")).json() == IsPartialDict(reconnect=False, pending=0)


async def _age(me: Connected, changes: str) -> None:
    async with me.container.db.transaction() as tx:
        await tx.session.execute(text(f"update service_links set {changes}"))


async def _count_unfinished_jobs(me: Connected) -> int:
    async with me.container.db.transaction() as tx:
        found = await tx.session.scalar(
            text(
                "select count(*) from jobs "
                "where kind like 'sync.%' and kind <> 'sync.due' and status in ('queued', 'running')"
            )
        )
    return int(found or 0)


async def test_conflicts_are_listed_and_the_other_value_can_be_chosen(
    me: Connected, anilist: AniListStandin
) -> None:
    anilist.now = 2_000_000_000  # the edit at AniList is later
    anilist.add(1, score=50, status="CURRENT", progress=3)
    await me.connect()
    await me.order("/api/anilist/sync")
    item = (await me.items())[1]
    await me.patch(item, status="on_hold", progress=6)
    anilist.edit(1, status="DROPPED", progress=4)
    await me.order("/api/anilist/sync")
    assert (await me.items())[1] == IsPartialDict(status="dropped", progress=6)
    assert anilist.entries[1]["progress"] == 6, "progress never falls by itself"
    found = await me.client.get("/api/anilist/conflicts")
    told = {(one["field"], one["local_value"], one["remote_value"], one["kept"]) for one in found.json()}
    assert told == {("status", "on_hold", "dropped", "remote"), ("progress", 6, 4, "local")}
    assert found.headers["X-Total-Count"] == "2"
    status = next(one for one in found.json() if one["field"] == "status")
    path = f"/api/anilist/conflicts/{status['id']}/resolve"
    assert (await me.client.post(path, json={"use": "nobody"})).status_code == 422
    assert (await me.client.post(path, json={"use": "local"})).status_code == 200
    assert (await me.client.post(path, json={"use": "local"})).status_code == 404
    await make_quiet(me)
    await push(me)
    assert (await me.items())[1]["status"] == "on_hold"
    assert anilist.entries[1]["status"] == "PAUSED"
    assert len((await me.client.get("/api/anilist/conflicts")).json()) == 1


async def test_deletions_are_not_synced(me: Connected, anilist: AniListStandin) -> None:
    anilist.add(1)
    anilist.add(2)
    await me.connect()
    await me.order("/api/anilist/sync")
    items = await me.items()
    await me.client.delete(f"/api/library/items/{items[1]['id']}")
    del anilist.entries[2]
    await me.order("/api/anilist/sync")
    assert set(await me.items()) == {2}
    assert set(anilist.entries) == {1}
    assert anilist.saves == []
    anilist.edit(1, progress=9)  # it is being watched at AniList after all
    await me.patch(items[2], progress=3)
    await make_quiet(me)
    await me.order("/api/anilist/sync")
    assert (await me.items())[1]["progress"] == 9
    assert anilist.entries[2]["progress"] == 3


async def test_values_clamped_by_the_service_are_pushed_once(me: Connected, anilist: AniListStandin) -> None:
    anilist.add(1, progress=1)
    anilist.know(1, total=12)
    await me.connect()
    await me.order("/api/anilist/sync")
    item = (await me.items())[1]
    await me.client.patch(f"/api/library/items/{item['id']}", json={"max_progress": 24, "progress": 20})
    await make_quiet(me)
    for _ in range(3):
        assert (await me.order("/api/anilist/sync"))["status"] == "succeeded"
    assert [save.get("progress") for save in anilist.saves] == [20]
    assert ((await me.items())[1]["progress"], anilist.entries[1]["progress"]) == (20, 12)


async def test_an_entry_that_a_service_rejects_does_not_block_others(
    me: Connected, anilist: AniListStandin
) -> None:
    anilist.add(1)
    anilist.add(2)
    await me.connect()
    await me.order("/api/anilist/sync")
    items = await me.items()

    def refuse_one(name: str, variables: dict[str, Any]) -> httpx.Response | None:
        refused = name == "SaveMediaListEntry" and variables["mediaId"] == 1
        return failure(400, "validation") if refused else None

    anilist.answer = refuse_one
    await me.patch(items[1], progress=4)
    await me.patch(items[2], progress=5)
    await make_quiet(me)
    assert (await push(me))["status"] == "succeeded"
    assert anilist.saves == [IsPartialDict(mediaId=2, progress=5)]
    status = (await me.client.get("/api/anilist/status")).json()
    assert status["rejected"] == [
        {"entry_id": items[1]["id"], "reason": "AniList rejected the request: validation"}
    ]
    anilist.answer = None
    await me.patch(items[1], progress=6)
    await make_quiet(me)
    await push(me)
    assert anilist.entries[1]["progress"] == 6


async def connect_with_three_entries(me: Connected, anilist: AniListStandin) -> dict[int, dict[str, Any]]:
    """Connect an account and sync its entries 1 to 3; returns the items by their id at AniList."""
    for number in range(1, 4):
        anilist.add(number)
    await me.connect()
    await me.order("/api/anilist/sync")
    return await me.items()


async def test_an_entry_on_which_the_service_fails_does_not_block_others(
    me: Connected, anilist: AniListStandin
) -> None:
    items = await connect_with_three_entries(me, anilist)

    def fail_on_one(name: str, variables: dict[str, Any]) -> httpx.Response | None:
        fails = name == "SaveMediaListEntry" and variables["mediaId"] == 1
        body = {
            "data": {"SaveMediaListEntry": None},
            "errors": [{"message": "Internal Error", "status": 500}],
        }
        return httpx.Response(200, json=body) if fails else None

    anilist.answer = fail_on_one
    for number in (1, 3, 2):
        await me.patch(items[number], progress=number)
    await make_quiet(me)
    assert (await push(me))["status"] == "queued", "the entry is tried again"
    assert [save["mediaId"] for save in anilist.saves] == [3, 2]
    assert (await me.client.get("/api/anilist/status")).json()["pending"] == 1
    anilist.answer = None
    assert (await push(me))["status"] == "succeeded"
    assert [save["mediaId"] for save in anilist.saves] == [3, 2, 1]


async def test_edits_stay_in_order_while_the_service_stores_nothing(
    me: Connected, anilist: AniListStandin
) -> None:
    items = await connect_with_three_entries(me, anilist)
    broken = httpx.Response(200, json={"data": {"SaveMediaListEntry": None}})
    anilist.answer = lambda name, _: broken if name == "SaveMediaListEntry" else None
    for number in (3, 1, 2):
        await me.patch(items[number], progress=number)
    await make_quiet(me)
    assert (await push(me))["status"] == "queued"
    assert anilist.count("SaveMediaListEntry") == 2, "two failures in a row are an outage"
    anilist.answer = None
    assert (await push(me))["status"] == "succeeded"
    assert [save["mediaId"] for save in anilist.saves] == [3, 1, 2]


async def test_a_run_that_dies_after_sending_an_edit_does_not_send_it_again(
    me: Connected, anilist: AniListStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    anilist.add(1)
    await me.connect()
    await me.order("/api/anilist/sync")
    await me.patch((await me.items())[1], progress=8)
    await make_quiet(me)

    def die(*_: object) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(lists, "settle", die)
    assert (await push(me))["status"] == "queued"
    monkeypatch.undo()
    async with me.container.db.transaction() as tx:
        await tx.session.execute(text("update service_links set busy_until = now() - interval '1 s'"))
    assert (await push(me))["status"] == "succeeded"
    assert anilist.saves == [IsPartialDict(mediaId=1, progress=8)]


async def test_missing_fields_of_a_response_erase_nothing(me: Connected, anilist: AniListStandin) -> None:
    anilist.add(1, score=70, notes="kept", progress=1)
    await me.connect()
    await me.order("/api/anilist/sync")
    anilist.answer = lambda name, variables: (
        httpx.Response(200, json={"data": {"SaveMediaListEntry": {"id": 9, "status": "CURRENT"}}})
        if name == "SaveMediaListEntry"
        else None
    )
    item = await me.patch((await me.items())[1], progress=6)
    await make_quiet(me)
    for _ in range(2):
        assert (await push(me))["status"] == "succeeded"
    entry = (await me.client.get("/users/me/export", params={"format": "json"})).text
    assert '"kept"' in entry
    assert (await me.items())[1]["progress"] == item["progress"] == 6
    assert anilist.count("SaveMediaListEntry") == 1


async def test_importing_one_media_type_changes_nothing_at_anilist(
    me: Connected, anilist: AniListStandin
) -> None:
    anilist.add(1, progress=2)
    anilist.add(2, type="MANGA", progress=3, hidden=True)
    anilist.custom["Favourites"] = [1, 2]
    await me.connect()
    assert (await me.order("/api/anilist/import", media_type="MANGA"))["status"] == "succeeded"
    assert set(await me.items()) == {2}
    assert (await me.order("/api/anilist/import"))["status"] == "succeeded"
    assert set(await me.items()) == {1, 2}
    assert (anilist.saves, anilist.count("MediaListCollection")) == ([], 2)
