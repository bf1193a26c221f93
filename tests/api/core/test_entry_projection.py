"""An entry looks the same in pages, alone, after writes and in batches, on both surfaces."""

from typing import Any

import httpx
import orjson
import pytest
from dirty_equals import IsPartialDict
from sqlalchemy import text

from app.container import Container
from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn

LIST, ITEMS = "/users/me/list", "/api/library/items"
OWN = {"source": "manual", "cover_url": "https://img.example/own.jpg", "format": "ONA"}
# linked by either id, or not at all; their own title data may differ from the catalogue's
KINDS: dict[str, dict[str, Any]] = {
    "linked by mal_id": {"title": "Own name", "type": "anime", "mal_id": 1},
    "linked by anilist_id": {"title": "Own name", "type": "anime", "anilist_id": 22, **OWN},
    "linked, with a total of one's own": {
        "title": "O",
        "type": "anime",
        "mal_id": 3,
        "max_progress": 30,
        **OWN,
    },
    "linked by both ids": {
        "title": "O",
        "type": "anime",
        "mal_id": 4,
        "anilist_id": 44,
        "progress": 2,
        **OWN,
    },
    "linked to a title with nothing but its name": {"title": "O", "type": "anime", "mal_id": 5, **OWN},
    "unknown, with ids": {"title": "Nobody knows it", "type": "anime", "mal_id": 900, "anilist_id": 901},
    "unknown, without ids": {"title": '\u6f22\u5b57 %_ "quoted"', "type": "anime", "max_progress": 7, **OWN},
    "manga": {
        "title": "Berserk",
        "type": "manga",
        "mal_id": 2,
        "max_progress": 380,
        "status": "reading",
        **OWN,
    },
    "manga without anything": {"title": "One shot", "type": "manga", "status": "completed"},
}


@pytest.fixture
async def mine(client: httpx.AsyncClient, user: SignedIn, database: Database) -> httpx.AsyncClient:
    async with database.transaction() as tx:
        await tx.session.execute(
            text(
                """
                insert into anime (mal_id, anilist_id, title, image_url, type, episodes, score, status) values
                    (1, 11, 'First', 'https://img.example/1.jpg', 'TV', 26, 8.75, 'finished'),
                    (2, 22, 'Second', 'https://img.example/2.jpg', 'Movie', 1, 7, 'finished'),
                    (3, 33, 'Third', null, 'TV', 12, null, 'airing'),
                    (4, 44, 'Fourth', 'https://img.example/4.jpg', null, null, null, null),
                    (5, null, 'Fifth', null, null, null, null, null)
                """
            )
        )
    client.headers.update(user.headers)
    return client


@pytest.fixture
async def written(mine: httpx.AsyncClient) -> dict[str, httpx.Response]:
    """The responses to adding one entry of each kind."""
    answers = {}
    for kind, body in KINDS.items():
        answers[kind] = await mine.post(ITEMS, json={"source": "manual", **body})
        assert answers[kind].status_code == 200, answers[kind].text
    return answers


def plain(content: bytes) -> bytes:
    """The JSON without white space: PostgreSQL renders single items, orjson whole lists."""
    return orjson.dumps(orjson.loads(content))


async def page_of(mine: httpx.AsyncClient, path: str, **query: Any) -> dict[int, bytes]:
    """The raw entries of a page, by id."""
    answer = await mine.get(path, params={"limit": 100, **query})
    parts = answer.text[1:-1].replace("},{", "}\n{").split("\n")
    return {orjson.loads(part)["id"]: part.encode() for part in parts}


async def test_pages_single_reads_and_writes_return_the_same_json(
    mine: httpx.AsyncClient, written: dict[str, httpx.Response]
) -> None:
    items, entries = await page_of(mine, ITEMS), await page_of(mine, LIST)
    assert len(items) == len(KINDS)
    for answer in written.values():
        item = answer.json()
        single = await mine.get(f"{ITEMS}/{item['id']}")
        assert answer.content == single.content
        assert plain(single.content) == plain(items[item["id"]])
        assert answer.headers["ETag"] == single.headers["ETag"]
    linked = {id_: body for id_, body in entries.items() if orjson.loads(body)["anime_id"]}
    assert len(linked) == 5
    for id_, body in linked.items():
        path = f"{LIST}/{orjson.loads(body)['anime_id']}"
        single = await mine.get(path)
        assert single.content == body
        changed = await mine.patch(path, json={"score": 8.5, "notes": "seen on a train", "tags": ["a", "b"]})
        again = await mine.get(path)
        assert changed.content == again.content == (await page_of(mine, LIST))[id_]
        assert changed.headers["ETag"] == again.headers["ETag"] != single.headers["ETag"]
        undone = await mine.post(f"{path}/undo")
        assert undone.content == (await mine.get(path)).content


async def test_added_over_the_core_list_it_is_the_same(mine: httpx.AsyncClient, database: Database) -> None:
    ids = list(await database.scalar("select array_agg(id order by id) from anime"))
    for anime_id in ids:
        added = await mine.post(LIST, json={"anime_id": anime_id, "status": "on_hold", "score": 7})
        assert added.content == (await mine.get(f"{LIST}/{anime_id}")).content
        assert added.content == (await page_of(mine, LIST))[added.json()["id"]]


async def test_catalogue_values_take_precedence_over_own_ones(
    mine: httpx.AsyncClient, written: dict[str, httpx.Response]
) -> None:
    items = {kind: answer.json() for kind, answer in written.items()}
    assert items["linked by mal_id"] == IsPartialDict(title="First", mal_id=1, anilist_id=11, format="TV")
    assert items["linked by anilist_id"] == IsPartialDict(
        title="Second", cover_url="https://img.example/2.jpg", format="Movie", max_progress=1
    )
    assert items["linked, with a total of one's own"] == IsPartialDict(
        title="Third", cover_url=OWN["cover_url"], max_progress=30
    )
    assert items["linked to a title with nothing but its name"] == IsPartialDict(
        title="Fifth", cover_url=OWN["cover_url"], format="ONA", max_progress=None
    )
    entries = {entry["id"]: entry for entry in (await mine.get(LIST, params={"limit": 100})).json()}
    for kind, item in items.items():
        if item["type"] == "anime":
            entry = entries[item["id"]]
            assert (entry["anime"]["title"], entry["anime"]["image_url"]) == (
                item["title"],
                item["cover_url"],
            )
            assert (entry["max_progress"], entry["anime"]["mal_id"]) == (
                item["max_progress"],
                item["mal_id"],
            ), kind
    with_own_total = entries[items["linked, with a total of one's own"]["id"]]
    assert (with_own_total["max_progress"], with_own_total["anime"]["episodes"]) == (30, 12)


async def test_sorts_filters_and_exports_use_the_shown_values(
    mine: httpx.AsyncClient, written: dict[str, httpx.Response]
) -> None:
    for path in (ITEMS, LIST):
        entries = (await mine.get(path, params={"sort": "title", "limit": 100})).json()
        shown = [entry.get("title") or entry["anime"]["title"] for entry in entries]
        assert [title for title in shown if title.isascii()] == sorted(
            (title for title in shown if title.isascii()), key=str.casefold
        )
        assert "Own name" not in shown
    named = (await mine.get(ITEMS, params={"q": "own name"})).json()
    assert {item["title"] for item in named} == {"First", "Second"}
    assert [item["title"] for item in (await mine.get(ITEMS, params={"q": "second"})).json()] == ["Second"]
    csv = (await mine.get("/users/me/export", params={"format": "csv"})).text
    assert "Second" in csv
    assert "Own name" not in csv
    exported = (await mine.get("/users/me/export", params={"format": "json"})).json()["entries"]
    assert "Own name" not in {entry["title"] for entry in exported}


async def test_batch_results_show_the_entry_after_each_operation(
    mine: httpx.AsyncClient, database: Database, container: Container
) -> None:
    first, second, third = list(await database.scalar("select array_agg(id order by id) from anime"))[:3]
    await mine.post(LIST, json={"anime_id": second, "status": "watching", "score": 3})
    operations = [
        {"op": "add", "anime_id": first, "status": "plan_to_watch"},
        {"op": "update", "anime_id": first, "progress": 3},
        {"op": "update", "anime_id": first, "score": 9},
        {"op": "delete", "anime_id": first},
        {"op": "delete", "anime_id": second},
        {"op": "add", "anime_id": second, "status": "dropped"},
        {"op": "add", "anime_id": third, "status": "watching"},
        {"op": "update", "anime_id": third, "progress": 2},
        {"op": "delete", "anime_id": first},
        {"op": "update", "anime_id": 10**30, "progress": 2},
    ]
    answer = await mine.post(f"{LIST}/batch", json={"operations": operations})
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 200, 200, 204, 204, 201, 201, 200, 404, 422]
    seen = [
        result["entry"] and (result["entry"]["status"], result["entry"]["progress"], result["entry"]["score"])
        for result in results
    ]
    assert seen == [
        ("plan_to_watch", 0, None), ("watching", 3, None), ("watching", 3, 9), None, None,
        ("dropped", 0, None), ("watching", 0, None), ("watching", 2, None), None, None,
    ]  # fmt: skip
    assert len({result["entry"]["id"] for result in results[:3]}) == 1
    assert results[7]["entry"] == (await mine.get(f"{LIST}/{third}")).json()
    assert (await mine.get(f"{LIST}/{first}")).status_code == 404
    # as if they had been sent one after another
    gone = (await mine.get(LIST, params={"updated_since": "2020-01-01T00:00:00Z"})).json()
    assert [entry["anime_id"] for entry in gone if entry.get("deleted")] == [first]
    assert (await mine.post(f"{LIST}/{first}/undo")).json() == IsPartialDict(progress=3, score=9)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (["{0}"], 200),
        (['"1-1", {0} , "2-2"'], 200),
        (['"a, b"', "{0}"], 200),
        (["*"], 200),
        ([" * "], 200),
        (["W/{0}"], 412),
        (['W/{0}, "1-99"'], 412),
        (['"999-1"'], 412),
        (['"x{1}"'], 412),
        (["{1}"], 412),
        ([""], 412),
        (['""'], 412),
    ],
)
async def test_if_match_is_compared_strongly(
    mine: httpx.AsyncClient, database: Database, sent: list[str], status: int
) -> None:
    anime_id = await database.scalar("select min(id) from anime")
    added = await mine.post(LIST, json={"anime_id": anime_id, "status": "watching"})
    tag, item = added.headers["ETag"], f"{ITEMS}/{added.json()['id']}"
    path = f"{LIST}/{anime_id}"

    async def ask(method: str, where: str, tag: str, **keywords: Any) -> int:
        headers = [("If-Match", line.format(tag, tag.strip('"'))) for line in sent]
        answer = await mine.request(method, where, headers=[*mine.headers.items(), *headers], **keywords)
        return answer.status_code

    assert await ask("PATCH", path, tag, json={"score": 7}) == status
    tag = (await mine.get(item)).headers["ETag"]
    assert await ask("PATCH", item, tag, json={"progress": 1}) == status
    tag = (await mine.get(path)).headers["ETag"]
    assert await ask("DELETE", item, tag) == status
    assert (await mine.get(path)).status_code == (404 if status == 200 else 200)
