"""Marks, upserts, entries by their own id, filters of the list, and changes since a time."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from dirty_equals import IsDatetime, IsPartialDict
from sqlalchemy import text

from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn

LIST, ENTRIES, ITEMS = "/users/me/list", "/users/me/entries", "/api/library/items"
STALE = '"999999"'


@pytest.fixture
async def titles(database: Database) -> list[int]:
    async with database.transaction() as tx:
        rows = await tx.session.execute(
            text(
                """
                with g as (
                    insert into genres (kind, name) values ('genre', 'Drama'), ('theme', 'Space')
                    returning id, name)
                insert into anime (mal_id, title, title_english, title_russian, type, year, season, status,
                                   episodes, duration_minutes, rating, tag_ids)
                select n, 'Title ' || n, 'English ' || n, 'Заголовок ' || n,
                       case when n % 2 = 1 then 'TV' else 'Movie' end, 1990 + n, 'spring', 'finished', 12, 24,
                       case when n = 6 then 'Rx - Hentai' end,
                       array(select id from g where name = 'Drama' or n = 1)
                from generate_series(1, 6) n order by n returning id
                """
            )
        )
        return list(rows.scalars())


async def put(mine: httpx.AsyncClient, anime_id: int, **fields: Any) -> httpx.Response:
    return await mine.put(f"{LIST}/{anime_id}", json={"status": "watching", **fields})


async def ids(mine: httpx.AsyncClient, query: str) -> list[int]:
    answer = await mine.get(f"{LIST}?sort=created&{query}")
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["X-Total-Count"]) == len(answer.json())
    return [entry["anime_id"] for entry in answer.json()]


async def test_a_put_adds_then_updates_and_can_be_repeated(
    mine: httpx.AsyncClient, titles: list[int]
) -> None:
    path = f"{LIST}/{titles[0]}"
    assert (await mine.put(path, json={"progress": 1})).json()["details"]["fields"]["status"]
    added = await put(mine, titles[0], progress=3, score=8)
    assert (added.status_code, added.json()["version"]) == (201, 1)
    again = await put(mine, titles[0], progress=3, score=8)
    assert (again.status_code, again.json()) == (200, added.json())
    changed = await mine.put(path, json={"progress": 4})
    assert changed.status_code == 200
    assert changed.json() == IsPartialDict(status="watching", score=8, progress=4, version=2)
    stale = await mine.put(path, json={"progress": 5}, headers={"If-Match": added.headers["ETag"]})
    assert stale.status_code == 412
    assert (await put(mine, 2_000_000_000)).status_code == 404
    absent = await mine.put(f"{LIST}/{titles[1]}", json={"status": "watching"}, headers={"If-Match": '"1"'})
    assert (absent.status_code, absent.json()["details"]) == (412, {"entry": None})


async def test_an_outdated_change_gets_the_current_entry(mine: httpx.AsyncClient, titles: list[int]) -> None:
    entry = (await put(mine, titles[0], progress=3)).json()
    for method, body in (("PATCH", {"progress": 1}), ("PUT", {"progress": 1}), ("DELETE", None)):
        answer = await mine.request(method, f"{LIST}/{titles[0]}", json=body, headers={"If-Match": STALE})
        assert (answer.status_code, answer.json()["details"]) == (412, {"entry": entry}), method
    fresh = {"If-Match": f'"{entry["version"]}"'}
    assert (await mine.patch(f"{LIST}/{titles[0]}", json={"progress": 4}, headers=fresh)).status_code == 200


async def test_a_batch_takes_mal_ids_versions_and_upserts(mine: httpx.AsyncClient, titles: list[int]) -> None:
    entry = (await put(mine, titles[0])).json()
    operations: list[dict[str, Any]] = [
        {"op": "upsert", "mal_id": 1, "progress": 2, "if_match": entry["version"]},
        {"op": "update", "anime_id": titles[0], "progress": 5, "if_match": 1},
        {"op": "upsert", "mal_id": 2, "status": "dropped"},
        {"op": "add", "mal_id": 3, "status": "completed"},
        {"op": "delete", "mal_id": 2, "if_match": "2-1"},
        {"op": "delete", "mal_id": 3},
        {"op": "upsert", "mal_id": 4},
        {"op": "replace", "anime_id": titles[0]},
        {"op": "update", "anime_id": titles[0], "mal_id": 1, "progress": 1},
        {"op": "update", "anime_id": titles[0], "score": 11},
        {"op": "add", "mal_id": 5, "status": "watching", "progress_delta": 1},
    ]
    results = (await mine.post(f"{LIST}/batch", json={"operations": operations})).json()["results"]
    statuses = [result["status"] for result in results]
    assert statuses == [200, 412, 201, 201, 412, 204, 422, 422, 422, 422, 422]
    assert results[0] == IsPartialDict(anime_id=titles[0], mal_id=1, version=2, error=None)
    assert results[0]["entry"]["version"] == 2
    assert results[1]["error"]["details"]["entry"] == results[0]["entry"]
    assert results[1]["version"] is None
    for number, field in ((6, "status"), (7, "op"), (9, "score"), (10, "progress_delta")):
        assert field in results[number]["error"]["details"]["fields"], results[number]


async def test_marks_are_one_call_for_a_grid(mine: httpx.AsyncClient, titles: list[int]) -> None:
    entry = (await put(mine, titles[0], progress=3, score=7.5)).json()
    await mine.post("/favorites", json={"anime_id": titles[0]})
    await mine.post("/favorites", json={"anime_id": titles[1]})
    asked = ",".join(str(id_) for id_ in [*titles[:3], 2_000_000_000])
    answer = await mine.get(f"/users/me/marks?anime_id={asked}&anime_id={titles[0]}")
    assert answer.json() == {
        str(titles[0]): {
            "status": "watching",
            "progress": 3,
            "score": 7.5,
            "is_favorite": True,
            "version": entry["version"],
        },
        str(titles[1]): {
            "status": None,
            "progress": None,
            "score": None,
            "is_favorite": True,
            "version": None,
        },
        str(titles[2]): None,
        "2000000000": None,
    }
    many = ",".join(map(str, range(1, 102)))
    for bad in ("", "?anime_id=", "?anime_id=x", "?anime_id=0", f"?anime_id={many}"):
        refused = await mine.get(f"/users/me/marks{bad}")
        assert (refused.status_code, "anime_id" in refused.json()["details"]["fields"]) == (422, True), bad


async def test_an_entry_without_a_catalogue_title_is_addressed_by_its_own_id(
    mine: httpx.AsyncClient, client: httpx.AsyncClient, other_user: SignedIn
) -> None:
    item = {"title": "Nobody knows it", "type": "manga", "source": "manual", "progress": 2}
    entry_id = (await mine.post(ITEMS, json=item)).json()["id"]
    path = f"{ENTRIES}/{entry_id}"
    shown = await mine.get(path)
    assert shown.json() == IsPartialDict(
        id=entry_id, anime_id=None, media_type="manga", progress=2, version=1
    )
    fresh = {"If-Match": shown.headers["ETag"]}
    assert (await mine.patch(path, json={"score": 9}, headers=fresh)).json()["version"] == 2
    assert (await mine.delete(path, headers=fresh)).status_code == 412
    assert (await mine.patch(path, json={}, headers=other_user.headers)).status_code == 422
    for method, body in (("GET", None), ("PATCH", {"score": 1}), ("DELETE", None)):
        foreign = await mine.request(method, path, json=body, headers=other_user.headers)
        assert foreign.status_code == 404, method
    assert (await mine.delete(path)).status_code == 204
    assert (await mine.get(path)).status_code == 404
    assert len((await mine.get(f"{path}/history")).json()) == 3
    assert (await mine.get(f"{path}/history", headers=other_user.headers)).status_code == 404
    assert (await mine.post(f"{path}/undo")).json() == IsPartialDict(id=entry_id, score=9)
    assert (await mine.post(f"{path}/undo")).json() == IsPartialDict(id=entry_id, score=None)


async def test_the_list_is_filtered(mine: httpx.AsyncClient, titles: list[int]) -> None:
    for number, id_ in enumerate(titles):
        status = ("watching", "completed", "dropped")[number % 3]
        await put(mine, id_, status=status, tags=["a, b"] if number == 0 else ["x", f"n{number}"])
    assert await ids(mine, "status=watching&status=completed,on_hold") == [titles[n] for n in (0, 1, 3, 4)]
    assert await ids(mine, "type=movie") == titles[1::2]
    assert await ids(mine, "type=tv&type=movie&sfw=true") == titles[:5]
    assert await ids(mine, "genre=space") == titles[:1]
    assert await ids(mine, "genre=drama&genre[]=Space") == titles[:1]
    assert await ids(mine, "genre=nothing") == []
    assert await ids(mine, "tag=a, b") == titles[:1]
    assert await ids(mine, "tag=x&tag=n2") == titles[2:3]
    assert await ids(mine, "tag=n2,x") == titles[2:3]
    assert await ids(mine, f"anime_id={titles[3]},{titles[1]}&anime_id=9") == [titles[1], titles[3]]
    assert await ids(mine, "q=english 5") == titles[4:5]
    assert await ids(mine, "q=заголовок&status=dropped") == [titles[2], titles[5]]
    some = (await mine.get(f"{LIST}?limit=500&fields=id,anime&expand=anime&sort=created")).json()
    assert [set(entry) for entry in some] == [{"id", "anime"}] * 6
    assert some[0]["anime"] == IsPartialDict(
        title="Title 1",
        title_english="English 1",
        title_russian="Заголовок 1",
        synonyms=[],
        type="TV",
        year=1991,
        season="spring",
        status="finished",
        duration_minutes=24,
        episodes=12,
        genres=[IsPartialDict(name="Drama")],
        images=dict.fromkeys(("small", "medium", "large", "color")),
    )
    for bad in (
        "status=seen",
        "type=Film",
        "limit=501",
        "fields=idd",
        "expand=user",
        "anime_id=x",
        "genre[=1",
    ):
        assert (await mine.get(f"{LIST}?{bad}")).status_code == 422, bad


async def test_a_list_of_twenty_thousand_own_titles_is_searched(
    mine: httpx.AsyncClient, user: SignedIn, database: Database
) -> None:
    async with database.transaction() as tx:  # a list of this size reached the time limit of a statement
        await tx.session.execute(
            text(
                """
                insert into entries (user_id, media_type, title, status)
                select :user, 'anime',
                       case n % 2 when 0 then 'Ütsel, my own-title no. ' else 'Utsel My OWN title ' end || n,
                       'watching'
                from generate_series(1, 20000) n
                """
            ),
            {"user": user.id},
        )
    for query, total in (("utsel my own title", 20_000), ("ownt 19998", 1), ("title 19999", 1)):
        for path in (LIST, ITEMS):
            answer = await mine.get(path, params={"q": query, "limit": 100, "offset": 1 if total > 1 else 0})
            assert answer.status_code == 200, (query, answer.text)
            assert answer.headers["X-Total-Count"] == str(total), (path, query)


async def test_another_device_hears_of_every_change_once(mine: httpx.AsyncClient, titles: list[int]) -> None:
    changes = f"{LIST}/changes"
    empty = (await mine.get(changes)).json()
    assert (empty["entries"], empty["deleted"], empty["has_more"]) == ([], [], False)
    before = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    entries = [(await put(mine, id_)).json() for id_ in titles[:4]]
    first = (await mine.get(changes, params={"since": empty["until"]})).json()
    assert (
        first["entries"] == entries == (await mine.get(changes, params={"since": before})).json()["entries"]
    )
    nothing = (await mine.get(changes, params={"since": first["until"]})).json()
    assert nothing == {"entries": [], "deleted": [], "until": first["until"], "has_more": False}
    await mine.delete(f"{LIST}/{titles[0]}")
    changed = (await mine.patch(f"{LIST}/{titles[1]}", json={"progress": 1})).json()
    news = (await mine.get(changes, params={"since": first["until"], "expand": "anime"})).json()
    assert [entry["version"] for entry in news["entries"]] == [changed["version"]]
    assert news["entries"][0]["anime"]["title_english"] == "English 2"
    assert news["deleted"] == [
        {"id": entries[0]["id"], "anime_id": titles[0], "deleted_at": IsDatetime(iso_string=True)}
    ]
    await mine.delete(f"{LIST}/{titles[2]}")
    whole = (await mine.get(changes)).json()  # a new device: earlier deletions are no news to it
    assert (len(whole["entries"]), whole["deleted"], whole["has_more"]) == (2, [], False)
    later = (await mine.get(changes, params={"since": whole["until"]})).json()
    assert later == {"entries": [], "deleted": [], "until": whole["until"], "has_more": False}
    for bad in ("yesterday", "2026-11-20", "~1", f"{before}~", f"{before}~-1", "9" * 50):
        assert (await mine.get(changes, params={"since": bad})).status_code == 422, bad


async def test_many_changes_at_one_instant_are_paged(
    mine: httpx.AsyncClient, database: Database, titles: list[int]
) -> None:
    for id_ in titles:
        await put(mine, id_)
    async with database.transaction() as tx:
        await tx.session.execute(text("update entries set updated_at = '2026-01-01T00:00:00.5Z'"))
    seen, since, more = [], "2025-01-01T00:00:00Z", True
    while more:
        part = (await mine.get(f"{LIST}/changes", params={"since": since, "limit": 4})).json()
        seen += [entry["anime_id"] for entry in part["entries"]]
        since, more = part["until"], part["has_more"]
    assert sorted(seen) == titles


async def test_tombstones_carry_the_id_of_their_entry(mine: httpx.AsyncClient, titles: list[int]) -> None:
    entry = (await put(mine, titles[0])).json()
    await mine.delete(f"{LIST}/{titles[0]}")
    [tombstone] = (await mine.get(LIST, params={"updated_since": entry["created_at"]})).json()
    assert tombstone == IsPartialDict(id=entry["id"], anime_id=titles[0], deleted=True)


async def test_a_grid_of_a_hundred_titles_with_the_callers_marks_is_two_calls(
    mine: httpx.AsyncClient, database: Database
) -> None:
    async with database.transaction() as tx:
        await tx.session.execute(
            text("insert into anime (title, episodes) select 'Grid ' || n, 12 from generate_series(1, 100) n")
        )
    page = await mine.get("/anime", params={"limit": 100, "sort": "title", "fields": "id,title,images"})
    grid = [title["id"] for title in page.json()]
    assert len(grid) == 100
    await put(mine, grid[0], status="watching", progress=3)
    await put(mine, grid[-1], status="completed", score=8.5)
    await mine.put(f"/favorites/{grid[50]}")
    marks = await mine.get("/users/me/marks", params={"anime_id": ",".join(map(str, grid))})
    assert marks.status_code == 200
    shown = marks.json()
    assert set(shown) == {str(anime_id) for anime_id in grid}
    assert shown[str(grid[0])] == IsPartialDict(status="watching", progress=3, is_favorite=False)
    assert shown[str(grid[-1])] == IsPartialDict(status="completed", score=8.5)
    assert shown[str(grid[50])] == IsPartialDict(status=None, is_favorite=True)
    assert [mark for mark in shown.values() if mark is None] == [None] * 97
