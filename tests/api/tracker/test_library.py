"""The tracker's library over HTTP, which is the same list as the core's."""

import re
from typing import Any

import httpx
import pytest
from dirty_equals import IsDatetime, IsInt, IsPartialDict
from sqlalchemy import text

from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn

ITEMS = "/api/library/items"
MANGA = {"title": "Berserk", "type": "manga", "source": "mangadex"}


@pytest.fixture
async def bebop(database: Database) -> int:
    async with database.transaction() as tx:
        rows = await tx.session.execute(
            text(
                """
                insert into anime (mal_id, anilist_id, title, episodes, status, type, image_url)
                values (1, 11, 'Cowboy Bebop', 26, 'finished', 'TV', 'https://img.example/1.jpg') returning id
                """
            )
        )
        return int(rows.scalar_one())


async def test_a_custom_item_is_stored(mine: httpx.AsyncClient) -> None:
    answer = await mine.post(ITEMS, json=MANGA)
    assert answer.status_code == 200
    item = answer.json()
    assert item == {
        "id": IsInt,
        "title": "Berserk",
        "type": "manga",
        "source": "mangadex",
        "cover_url": None,
        "status": "planning",
        "progress": 0,
        "max_progress": None,
        "anilist_id": None,
        "mal_id": None,
        "format": None,
        "site_url": None,
        "updated_at": IsDatetime(iso_string=True),
    }
    assert (await mine.get(f"{ITEMS}/{item['id']}")).json() == item
    assert (await mine.get(ITEMS)).json() == [item]


@pytest.mark.parametrize("ids", [{"mal_id": 1}, {"anilist_id": 11}])
async def test_a_catalogue_item_is_on_the_core_list_too(
    mine: httpx.AsyncClient, bebop: int, ids: dict[str, int]
) -> None:
    given = {"title": "Kauboi Bibappu", "type": "ANIME", "source": "anilist", "status": "CURRENT", **ids}
    item = (await mine.post(ITEMS, json=given)).json()
    assert item == IsPartialDict(
        title="Cowboy Bebop", type="anime", status="watching", max_progress=26, mal_id=1, anilist_id=11
    )
    [entry] = (await mine.get("/users/me/list")).json()
    assert entry == IsPartialDict(id=item["id"], anime_id=bebop, status="watching")
    await mine.patch(f"/users/me/list/{bebop}", json={"progress": 26})
    assert (await mine.get(f"{ITEMS}/{item['id']}")).json() == IsPartialDict(progress=26, status="completed")
    assert (await mine.post(ITEMS, json=given)).status_code == 409


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("planning", "planning"), ("Plan to watch", "planning"), ("PAUSED", "on_hold"),
        ("on hold", "on_hold"), ("Reading/Watching", "reading"), ("REPEATING", "reading"),
        ("Completed", "completed"), ("DROPPED", "dropped"), ("watching", "reading"),
    ],
)  # fmt: skip
async def test_status_words_of_other_services(mine: httpx.AsyncClient, word: str, shown: str) -> None:
    assert (await mine.post(ITEMS, json={**MANGA, "status": word})).json()["status"] == shown


@pytest.mark.parametrize(
    "bad",
    [{"type": "film"}, {"status": "maybe"}, {"progress": -1}, {"title": " "}, {"source": None}, {"x": 1}],
)
async def test_invalid_items_are_rejected_in_both_formats(
    mine: httpx.AsyncClient, bad: dict[str, Any]
) -> None:
    answer = await mine.post(ITEMS, json={**MANGA, **bad})
    assert answer.status_code == 422
    assert answer.json()["detail"] == answer.json()["message"]
    assert (await mine.get(ITEMS)).json() == []


async def test_a_patch_keeps_null_or_missing_fields(mine: httpx.AsyncClient) -> None:
    item = (await mine.post(ITEMS, json={**MANGA, "max_progress": 380})).json()
    path = f"{ITEMS}/{item['id']}"
    assert (await mine.patch(path, json={})).json() == item
    after = (await mine.patch(path, json={"status": None, "progress": 3})).json()
    assert after == IsPartialDict(status="reading", progress=3, max_progress=380)
    refused = await mine.patch(path, json={"progress": 381})
    assert refused.status_code == 422
    assert refused.json()["details"]["max"] == 380
    assert (await mine.patch(f"{ITEMS}/999999", json={})).status_code == 404


async def test_deleting_is_idempotent(mine: httpx.AsyncClient) -> None:
    item = (await mine.post(ITEMS, json=MANGA)).json()
    for _ in range(2):
        answer = await mine.delete(f"{ITEMS}/{item['id']}")
        assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert (await mine.get(f"{ITEMS}/{item['id']}")).status_code == 404


async def test_filters_sorts_and_everything_without_a_limit(mine: httpx.AsyncClient, bebop: int) -> None:
    for number in range(150):
        await mine.post(ITEMS, json={**MANGA, "title": f"Volume {number:03}"})
    await mine.post(ITEMS, json={"title": "Bebop", "type": "anime", "source": "mal", "mal_id": 1})

    async def titles(**parameters: Any) -> list[str]:
        return [item["title"] for item in (await mine.get(ITEMS, params=parameters)).json()]

    assert len(await titles()) == 151
    assert await titles(type="Anime") == ["Cowboy Bebop"]
    assert await titles(q="VOLUME 01", sort="title", limit=2, offset=1) == ["Volume 011", "Volume 012"]
    assert len(await titles(q="%")) == 0
    assert await titles(sort="-title", limit=1) == ["Volume 149"]
    assert (await mine.get(ITEMS, params={"limit": 1})).headers["X-Total-Count"] == "151"


async def test_q_looks_at_all_names_without_regard_to_punctuation(
    mine: httpx.AsyncClient, bebop: int, database: Database
) -> None:
    async with database.transaction() as tx:
        await tx.session.execute(
            text(
                "update anime set title_russian = 'Ковбой Бибоп', title_japanese = 'カウボーイビバップ',"
                " synonyms = '{CowBe, Spike-kun}'"
            )
        )
    await mine.post(ITEMS, json={"title": "Bebop", "type": "anime", "source": "mal", "mal_id": 1})
    await mine.post(ITEMS, json={**MANGA, "title": "Yotsuba&! 100%"})

    async def found(q: str) -> list[str]:
        return [item["title"] for item in (await mine.get(ITEMS, params={"q": q})).json()]

    [linked] = await found("bebop")
    for q in (
        "cowboy-bebop",
        '"COWBOY BEBOP"',
        "ковбой",
        "«Бибоп»",
        "カウボ-イ・ビバップ",
        "cowbe",
        "spikekun",
        "bebop, cowboy",
        "spike bebop",
    ):
        assert await found(q) == [linked], q
    for q in ("yotsuba", "Yotsuba & !", "yotsuba!", "100%"):
        assert await found(q) == ["Yotsuba&! 100%"], q
    for q in ("!!", "\u0301\u0301", "%%", "1_0", "spike trigun"):
        assert await found(q) == [], q
    assert len(await found("")) == 2


async def test_the_summary_counts(mine: httpx.AsyncClient, bebop: int) -> None:
    empty = (await mine.get("/api/library/summary")).json()
    assert empty["total"] == 0
    await mine.post(ITEMS, json={**MANGA, "status": "reading"})
    await mine.post(ITEMS, json={"title": "Bebop", "type": "anime", "source": "mal", "mal_id": 1})
    summary = (await mine.get("/api/library/summary")).json()
    assert summary["total"] == 2
    assert summary["by_type"] == {"anime": 1, "manga": 1}
    assert summary["by_status"] == IsPartialDict(reading=1, planning=1, watching=0)


async def test_items_of_other_users_are_not_found(mine: httpx.AsyncClient, other_user: SignedIn) -> None:
    item = (await mine.post(ITEMS, json=MANGA)).json()
    path = f"{ITEMS}/{item['id']}"
    assert (await mine.get(path, headers=other_user.headers)).status_code == 404
    assert (await mine.patch(path, json={"progress": 9}, headers=other_user.headers)).status_code == 404
    assert (await mine.delete(path, headers=other_user.headers)).json() == {"ok": True}
    assert (await mine.get(path)).json() == item


WORDS = {
    "watching": "watching", "reading": "watching", "CURRENT": "watching", "Reading/Watching": "watching",
    "Planning": "plan_to_watch", "PLANNING": "plan_to_watch", "plan_to_read": "plan_to_watch",
    "Plan to Watch": "plan_to_watch", "COMPLETED": "completed", "completed": "completed",
    "Dropped": "dropped", "on_hold": "on_hold", "On-Hold": "on_hold", "On Hold": "on_hold",
    "PAUSED": "on_hold", "paused": "on_hold", "planned": "plan_to_watch",
}  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
async def test_every_word_of_every_service_is_understood(
    mine: httpx.AsyncClient, bebop: int, word: str
) -> None:
    item = await mine.post(ITEMS, json={**MANGA, "type": "ANIME", "mal_id": 1, "status": word})
    assert item.status_code == 200, item.text
    entry = (await mine.get(f"/users/me/list/{bebop}")).json()
    assert (entry["status"], entry["is_rewatching"]) == (WORDS[word], False)
    for other in (word.upper(), word.lower()):
        assert (await mine.patch(f"{ITEMS}/{item.json()['id']}", json={"status": other})).status_code == 200


@pytest.mark.parametrize("word", ["REPEATING", "repeating", "Rewatching", "rereading"])
async def test_rewatching_words_are_accepted(mine: httpx.AsyncClient, bebop: int, word: str) -> None:
    made = await mine.post(ITEMS, json={**MANGA, "type": "anime", "mal_id": 1, "status": word})
    path = f"/users/me/list/{bebop}"
    assert (await mine.get(path)).json() == IsPartialDict(status="watching", is_rewatching=True)
    await mine.patch(path, json={"is_rewatching": False})
    item = await mine.patch(f"{ITEMS}/{made.json()['id']}", json={"status": word})
    assert item.json()["status"] == "watching"
    assert (await mine.get(path)).json() == IsPartialDict(status="watching", is_rewatching=True)
    # the page does not know rewatches, and must not end one
    await mine.patch(f"{ITEMS}/{made.json()['id']}", json={"status": "watching"})
    assert (await mine.get(path)).json()["is_rewatching"] is True
    assert len((await mine.get(ITEMS, params={"status": word})).json()) == 1


async def test_links_of_an_unlimited_list_are_valid(mine: httpx.AsyncClient) -> None:
    for title in "AB":
        await mine.post(ITEMS, json={**MANGA, "title": title})
    answer = await mine.get(ITEMS, params={"type": "manga"})
    for url in re.findall("<(.*?)>", answer.headers["Link"]):
        assert (await mine.get(url)).json() == answer.json()
