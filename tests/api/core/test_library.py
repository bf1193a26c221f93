"""A user's list over HTTP."""

import asyncio
from typing import Any

import httpx
import pytest
from dirty_equals import IsDatetime, IsInt, IsPartialDict
from sqlalchemy import event, text

from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn

LIST = "/users/me/list"


@pytest.fixture
async def titles(database: Database) -> list[int]:
    """Ids of a finished title with 26 episodes, an airing one with 12, and one of unknown length."""
    async with database.transaction() as tx:
        rows = await tx.session.execute(
            text(
                """
                insert into anime (mal_id, title, episodes, status, score) values
                    (1, 'Cowboy Bebop', 26, 'finished', 8.75), (2, 'On Air', 12, 'airing', null),
                    (3, 'Endless', null, 'airing', null)
                returning id
                """
            )
        )
        return list(rows.scalars())


async def add(mine: httpx.AsyncClient, anime_id: int, **fields: Any) -> httpx.Response:
    return await mine.post(LIST, json={"anime_id": anime_id, "status": "watching", **fields})


async def test_an_entry_is_added_shown_and_found(mine: httpx.AsyncClient, titles: list[int]) -> None:
    answer = await add(mine, titles[0], score=8.5, progress=3, tags=["jazz", "jazz"], started_at="2017-10")
    assert answer.status_code == 201
    entry = answer.json()
    assert entry == {
        "id": IsInt,
        "anime_id": titles[0],
        "media_type": "anime",
        "status": "watching",
        "score": 8.5,
        "progress": 3,
        "max_progress": 26,
        "is_rewatching": False,
        "rewatch_count": 0,
        "started_at": "2017-10",
        "finished_at": None,
        "notes": None,
        "tags": ["jazz"],
        "is_private": False,
        "version": 1,
        "created_at": IsDatetime(iso_string=True),
        "updated_at": IsDatetime(iso_string=True),
        "anime": {
            "id": titles[0],
            "mal_id": 1,
            "title": "Cowboy Bebop",
            "image_url": None,
            "score": 8.75,
            "episodes": 26,
        },
    }
    single = await mine.get(f"{LIST}/{titles[0]}")
    assert single.json() == entry
    assert single.headers["ETag"] == answer.headers["ETag"]
    assert (await mine.get(LIST)).json() == [entry]


async def test_a_title_can_be_addressed_by_its_mal_id(mine: httpx.AsyncClient, titles: list[int]) -> None:
    answer = await mine.post(LIST, json={"mal_id": 2, "status": "plan_to_watch"})
    assert answer.json()["anime_id"] == titles[1]


async def test_twice_is_a_conflict_and_unknown_is_not_found(
    mine: httpx.AsyncClient, titles: list[int]
) -> None:
    await add(mine, titles[0])
    assert (await add(mine, titles[0])).status_code == 409
    assert (await add(mine, 999_999)).status_code == 404


async def test_a_conflict_names_the_field_of_the_title(mine: httpx.AsyncClient, titles: list[int]) -> None:
    collection = (await mine.post("/collections", json={"name": "Mine"})).json()["id"]
    for path, body in (
        ("/users/me/list", {"anime_id": titles[0], "status": "watching"}),
        ("/favorites", {"anime_id": titles[0]}),
        (f"/collections/{collection}/items", {"anime_id": titles[0]}),
    ):
        assert (await mine.post(path, json=body)).status_code == 201
        conflict = (await mine.post(path, json=body)).json()
        [error] = conflict["details"]["errors"]
        assert (error["field"], error["code"]) == ("anime_id", "taken")
        assert conflict["details"]["fields"] == {"anime_id": [conflict["message"]]}


@pytest.mark.parametrize(
    "fields",
    [
        {"score": 8.55},
        {"score": 11},
        {"score": True},
        {"progress": "7"},
        {"progress": -1},
        {"progress": 2**31},
        {"status": "seen"},
        {"started_at": "2017-13"},
        {"notes": "a\x00b"},
        {"unknown": 1},
        {"mal_id": 1},
        {"is_private": "yes"},
    ],
)
async def test_bad_fields_are_refused_by_name(
    mine: httpx.AsyncClient, titles: list[int], fields: dict[str, Any]
) -> None:
    answer = await add(mine, titles[0], **fields)
    assert answer.status_code == 422
    assert answer.json()["details"]["fields"]
    assert (await mine.get(LIST)).json() == []


async def test_a_patch_changes_only_the_sent_fields(mine: httpx.AsyncClient, titles: list[int]) -> None:
    before = (await add(mine, titles[0], score=7, notes="good")).json()
    after = (await mine.patch(f"{LIST}/{titles[0]}", json={"score": None, "progress": 2})).json()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"score", "progress", "started_at", "updated_at", "version"}
    assert (await mine.patch(f"{LIST}/{titles[0]}", json={})).status_code == 422
    assert (await mine.patch(f"{LIST}/{titles[1]}", json={"score": 1})).status_code == 404


async def test_progress_above_the_total_names_it(mine: httpx.AsyncClient, titles: list[int]) -> None:
    await add(mine, titles[0])
    answer = await mine.patch(f"{LIST}/{titles[0]}", json={"progress": 27})
    assert answer.status_code == 422
    assert answer.json()["details"]["max"] == 26


async def test_thirty_concurrent_increments_add_thirty(mine: httpx.AsyncClient, titles: list[int]) -> None:
    await add(mine, titles[2])
    path = f"{LIST}/{titles[2]}"
    answers = await asyncio.gather(*(mine.patch(path, json={"progress_delta": 1}) for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    assert (await mine.get(path)).json()["progress"] == 30


async def test_of_two_concurrent_edits_one_is_rejected(mine: httpx.AsyncClient, titles: list[int]) -> None:
    seen = {"If-Match": (await add(mine, titles[0])).headers["ETag"]}
    path = f"{LIST}/{titles[0]}"
    answers = await asyncio.gather(
        *(mine.patch(path, json={"progress": number}, headers=seen) for number in (5, 6))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert (await mine.delete(path, headers=seen)).status_code == 412
    current = {"If-Match": (await mine.get(path)).headers["ETag"]}
    assert (await mine.delete(path, headers=current)).status_code == 204
    assert (await mine.delete(path)).status_code == 404


async def test_an_etag_of_a_deleted_entry_stays_stale(mine: httpx.AsyncClient, titles: list[int]) -> None:
    path = f"{LIST}/{titles[0]}"
    old = {"If-Match": (await add(mine, titles[0])).headers["ETag"]}
    await mine.delete(path)
    await mine.post(f"{path}/undo")
    assert (await mine.patch(path, json={"score": 1}, headers=old)).status_code == 412


async def test_other_devices_see_changes_and_deletions(mine: httpx.AsyncClient, titles: list[int]) -> None:
    first = (await add(mine, titles[0])).json()
    await add(mine, titles[1])
    await mine.delete(f"{LIST}/{titles[0]}")
    answer = await mine.get(LIST, params={"updated_since": first["updated_at"]})
    gone, kept = answer.json()
    assert gone == {
        "id": first["id"],
        "anime_id": titles[0],
        "deleted": True,
        "updated_at": IsDatetime(iso_string=True),
    }
    assert kept["anime_id"] == titles[1]
    assert answer.headers["X-Total-Count"] == "2"
    await add(mine, titles[0])
    again = (await mine.get(LIST, params={"updated_since": gone["updated_at"]})).json()
    assert [entry["anime_id"] for entry in again] == [titles[0]]
    assert "deleted" not in again[0]


async def test_a_batch_answers_for_each_operation(mine: httpx.AsyncClient, titles: list[int]) -> None:
    operations = [
        {"op": "add", "anime_id": titles[0], "status": "watching"},
        {"op": "update", "anime_id": titles[0], "progress": 26},
        {"op": "update", "anime_id": titles[1], "score": 5},
        {"op": "add", "anime_id": titles[1]},
        {"op": "update", "anime_id": titles[0], "score": 99},
        {"op": "add", "anime_id": titles[2], "status": "dropped"},
        {"op": "delete", "anime_id": titles[2]},
    ]
    answer = await mine.post(f"{LIST}/batch", json={"operations": operations})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 200, 404, 422, 422, 201, 204]
    assert [result["anime_id"] for result in results] == [operation["anime_id"] for operation in operations]
    assert results[1]["entry"]["status"] == "completed"
    assert results[2]["error"]["code"] == "NOT_FOUND"
    assert [entry["anime_id"] for entry in (await mine.get(LIST)).json()] == [titles[0]]


async def test_a_batch_costs_the_same_statements_for_one_and_for_many(
    mine: httpx.AsyncClient, database: Database
) -> None:
    async with database.transaction() as tx:
        await tx.session.execute(
            text("insert into anime (title) select 'Title ' || n from generate_series(1, 500) n")
        )
        ids = list((await tx.session.execute(text("select id from anime order by id"))).scalars())

    async def cost(chosen: list[int]) -> int:
        statements: list[str] = []
        note = lambda *arguments: statements.append(arguments[2])  # noqa: E731  # what the event hands over
        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        operations = [{"op": "add", "anime_id": id_, "status": "watching"} for id_ in chosen]
        answer = await mine.post(f"{LIST}/batch", json={"operations": operations})
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)
        assert {result["status"] for result in answer.json()["results"]} == {201}
        return len(statements)

    assert await cost(ids[:1]) == await cost(ids[1:])


async def test_history_and_undo(mine: httpx.AsyncClient, titles: list[int]) -> None:
    path = f"{LIST}/{titles[0]}"
    await add(mine, titles[0])
    await mine.patch(path, json={"progress": 5})
    await mine.patch(path, json={"progress": 6})
    assert (await mine.post(f"{path}/undo")).json()["progress"] == 5
    assert (await mine.post(f"{path}/undo")).json()["progress"] == 0
    assert (await mine.post(f"{path}/undo")).json() is None
    assert (await mine.get(LIST)).json() == []
    assert (await mine.post(f"{path}/undo")).status_code == 404
    answer = await mine.get(f"{path}/history")
    changes = answer.json()
    assert answer.headers["X-Total-Count"] == str(len(changes))
    assert 'rel="last"' in answer.headers["Link"]
    assert (await mine.get(f"{path}/history", params={"offset": 100})).json() == []
    assert [change["origin"] for change in changes] == ["undo"] * 3 + ["api"] * 3
    assert changes[-1] == IsPartialDict(before=None, after=IsPartialDict(status="watching", progress=0))
    assert changes[3] == IsPartialDict(
        before=IsPartialDict(progress=5),
        after=IsPartialDict(progress=6),
        changed_at=IsDatetime(iso_string=True),
    )


async def test_sorting_filtering_and_paging(mine: httpx.AsyncClient, titles: list[int]) -> None:
    for anime_id, score in zip(titles, (5, None, 9), strict=True):
        await add(mine, anime_id, score=score)
    await mine.patch(f"{LIST}/{titles[1]}", json={"status": "dropped"})

    async def shown(**parameters: Any) -> list[int]:
        return [entry["anime_id"] for entry in (await mine.get(LIST, params=parameters)).json()]

    assert await shown() == titles[::-1]
    assert await shown(sort="-score") == [titles[2], titles[0], titles[1]]
    assert await shown(sort="title") == [titles[0], titles[2], titles[1]]
    assert await shown(status="dropped") == [titles[1]]
    assert await shown(limit=1, offset=1) == [titles[1]]
    assert (await mine.get(LIST, params={"limit": 1})).headers["X-Total-Count"] == "3"
    assert (await mine.get(LIST, params={"stats": "x"})).status_code == 422


async def test_lists_of_other_users_are_unreachable(
    client: httpx.AsyncClient, user: SignedIn, other_user: SignedIn, titles: list[int]
) -> None:
    client.headers.update(user.headers)
    await add(client, titles[0])
    for method, path, body in (
        ("GET", f"{LIST}/{titles[0]}", None),
        ("PATCH", f"{LIST}/{titles[0]}", {"score": 1}),
        ("DELETE", f"{LIST}/{titles[0]}", None),
        ("GET", f"{LIST}/{titles[0]}/history", None),
        ("POST", f"{LIST}/{titles[0]}/undo", None),
    ):
        theirs = await client.request(method, path, json=body, headers=other_user.headers)
        absent = await client.request(
            method, path.replace(str(titles[0]), "999999"), json=body, headers=other_user.headers
        )
        assert theirs.status_code == absent.status_code == 404
        # only the id of the request may differ
        assert {**theirs.json(), "request_id": None} == {**absent.json(), "request_id": None}
    assert (await client.get(LIST, headers=other_user.headers)).json() == []
    assert (await client.get(LIST)).json() != []


async def test_without_a_token_there_is_no_list(client: httpx.AsyncClient) -> None:
    assert (await client.get(LIST)).status_code == 401


async def test_twenty_equal_posts_with_one_key_add_one_entry(
    mine: httpx.AsyncClient, titles: list[int]
) -> None:
    key = {"Idempotency-Key": "a-key"}
    body = {"anime_id": titles[0], "status": "watching"}
    answers = await asyncio.gather(*(mine.post(LIST, json=body, headers=key) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert any(answer.status_code == 201 for answer in answers)
    again = await mine.post(LIST, json=body, headers=key)
    first = next(answer for answer in answers if answer.status_code == 201)
    assert (again.status_code, again.content) == (201, first.content)
    assert (again.headers["ETag"], again.headers["Location"]) == (
        first.headers["ETag"],
        first.headers["Location"],
    )
    assert len((await mine.get(LIST)).json()) == 1


async def test_a_key_belongs_to_one_body_and_user(
    mine: httpx.AsyncClient, titles: list[int], other_user: SignedIn
) -> None:
    key = {"Idempotency-Key": "a-key"}
    await mine.post(LIST, json={"anime_id": titles[0], "status": "watching"}, headers=key)
    other_body = await mine.post(LIST, json={"anime_id": titles[1], "status": "watching"}, headers=key)
    assert other_body.status_code == 422
    theirs = await mine.post(
        LIST, json={"anime_id": titles[1], "status": "watching"}, headers={**key, **other_user.headers}
    )
    assert theirs.status_code == 201


async def test_a_key_of_a_request_that_failed_may_try_again(
    mine: httpx.AsyncClient, titles: list[int]
) -> None:
    key = {"Idempotency-Key": "a-key"}
    assert (
        await mine.post(LIST, json={"anime_id": 999_999, "status": "watching"}, headers=key)
    ).status_code == 404
    answer = await mine.post(LIST, json={"anime_id": titles[0], "status": "watching"}, headers=key)
    assert answer.status_code == 201
