"""The history of entries: stored differences, shown states, and pruning."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest
from alembic import command
from alembic.config import Config
from dirty_equals import IsPartialDict
from sqlalchemy import Connection, text

from app.container import Container
from app.services.library.library import KEPT_CHANGES
from app.tasks import performer
from app.utils.db import migrations
from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn
from tests.fixtures.importing import IMPORT, long_list, undo_import, upload

LIST, ITEMS = "/users/me/list", "/api/library/items"
STEPS: list[dict[str, Any]] = [
    {"progress": 3},
    {"score": 8.5, "tags": ["a", "b"]},
    {"notes": "long " * 50, "is_private": True},
    {"tags": [], "score": None, "progress": 4},
    {"is_rewatching": True, "rewatch_count": 2, "is_private": False},
    {"status": "dropped", "started_at": None},
    {"max_progress": 30, "finished_at": "2020-02"},
]


@pytest.fixture
async def mine(client: httpx.AsyncClient, user: SignedIn, database: Database) -> httpx.AsyncClient:
    async with database.transaction() as tx:
        await tx.session.execute(
            text("insert into anime (title, episodes) values ('One', 26), ('Two', null)")
        )
    client.headers.update(user.headers)
    return client


async def apply_steps(mine: httpx.AsyncClient, anime_id: int) -> list[dict[str, Any]]:
    """Apply each step, a deletion and an addition under a new id; returns the entry after each."""
    path = f"{LIST}/{anime_id}"
    entries = [(await mine.post(LIST, json={"anime_id": anime_id, "status": "watching"})).json()]
    entries += [(await mine.patch(path, json=step)).json() for step in STEPS]
    await mine.delete(path)
    entries.append((await mine.post(LIST, json={"anime_id": anime_id, "status": "on_hold"})).json())
    return entries


async def histories(mine: httpx.AsyncClient, anime_ids: list[int]) -> list[Any]:
    answers = [await mine.get(f"{LIST}/{anime_id}/history", params={"limit": 100}) for anime_id in anime_ids]
    return [answer.json() for answer in answers]


async def titles_of(database: Database) -> list[int]:
    return list(await database.scalar("select array_agg(id order by id) from anime"))


async def test_each_change_shows_the_whole_before_and_after(
    mine: httpx.AsyncClient, database: Database
) -> None:
    [one, _] = await titles_of(database)
    entries = await apply_steps(mine, one)
    [changes] = await histories(mine, [one])
    told = [change["after"] for change in reversed(changes)]
    assert len(changes) == len(STEPS) + 3
    shown = [*entries[:-1], None, entries[-1]]
    own_total = [None] * len(STEPS) + [30, None, None]
    for after, entry, total in zip(told, shown, own_total, strict=True):
        if entry is None:
            assert after is None
        else:
            assert after == {name: entry[name] for name in after} | {"max_progress": total}
    assert [change["before"] for change in changes[:-1]] == [change["after"] for change in changes[1:]]
    for offset in range(len(changes) + 1):
        page = await mine.get(f"{LIST}/{one}/history", params={"limit": 2, "offset": offset})
        assert page.json() == changes[offset : offset + 2]
        assert page.headers["X-Total-Count"] == str(len(changes))


async def test_only_the_difference_is_stored(mine: httpx.AsyncClient, database: Database) -> None:
    [one, _] = await titles_of(database)
    await apply_steps(mine, one)
    async with database.reader() as connection:
        rows = (
            await connection.execute(
                text("select before, after from entry_changes where before is not null and after is not null")
            )
        ).all()
    assert [set(row.after) for row in rows] == [
        {"progress", "started_at"}, {"score", "tags"}, {"notes", "is_private"}, {"tags", "score", "progress"},
        {"is_rewatching", "rewatch_count", "is_private"}, {"status", "started_at"},
        {"max_progress", "finished_at"},
    ]  # fmt: skip
    assert all(set(row.before) == set(row.after) for row in rows)


async def test_changes_are_undone_step_by_step(mine: httpx.AsyncClient, database: Database) -> None:
    [one, _] = await titles_of(database)
    entries = await apply_steps(mine, one)
    states: list[Any] = [None, *entries[:-1], None]
    for before in reversed(states):
        undone = (await mine.post(f"{LIST}/{one}/undo")).json()
        stamps = undone and {name: undone[name] for name in ("updated_at", "version")}
        assert undone == (before and {**before, **stamps})
    assert (await mine.post(f"{LIST}/{one}/undo")).status_code == 404


async def test_a_change_that_changes_nothing_leaves_no_trace(
    mine: httpx.AsyncClient, database: Database
) -> None:
    [one, _] = await titles_of(database)
    fields = {"status": "watching", "score": 8, "progress": 3, "tags": ["a"], "notes": "n"}
    added = await mine.post(LIST, json={"anime_id": one, **fields})
    operations = [{"op": "update", "anime_id": one, **fields}]
    for answer in (
        await mine.patch(f"{LIST}/{one}", json=fields),
        await mine.patch(f"{LIST}/{one}", json={"progress_delta": 0}),
        await mine.patch(
            f"{LIST}/{one}", json={"tags": ["a", "a"], "started_at": added.json()["started_at"]}
        ),
        await mine.get(f"{LIST}/{one}"),
    ):
        assert answer.content == added.content
        assert answer.headers["ETag"] == added.headers["ETag"]
    batch = await mine.post(f"{LIST}/batch", json={"operations": operations})
    assert batch.json()["results"][0]["entry"] == added.json()
    item = f"{ITEMS}/{added.json()['id']}"
    for body in ({}, {"status": "watching", "progress": 3}):
        assert (await mine.patch(item, json=body)).headers["ETag"] == added.headers["ETag"]
    assert len((await histories(mine, [one]))[0]) == 1


async def test_an_import_is_undone_except_for_entries_edited_since(
    mine: httpx.AsyncClient, database: Database, container: Container
) -> None:
    async with database.transaction() as tx:
        await tx.session.execute(text("update anime set mal_id = id"))
    [one, two] = await titles_of(database)
    for anime_id in (one, two):
        await mine.post(LIST, json={"anime_id": anime_id, "status": "watching", "progress": 1})
    rows = "".join(
        f"<anime><series_animedb_id>{anime_id}</series_animedb_id><my_status>Watching</my_status>"
        f"<my_watched_episodes>9</my_watched_episodes></anime>"
        for anime_id in (one, two)
    )
    files = {"file": ("list.xml", f"<myanimelist>{rows}</myanimelist>".encode())}
    job = (await mine.post("/users/me/import", files=files)).json()["job_id"]
    await container.jobs.run(job, performer(container))
    await mine.patch(f"{LIST}/{two}", json={"score": 7})
    await mine.patch(f"{LIST}/{one}", json={"score": 7})
    await mine.post(f"{LIST}/{one}/undo")  # as after the import
    assert await undo_import(container, mine, job) == 1
    assert (await mine.get(f"{LIST}/{one}")).json() == IsPartialDict(progress=1, score=None)
    assert (await mine.get(f"{LIST}/{two}")).json() == IsPartialDict(progress=9, score=7)


def move(connection: Connection, revision: str) -> None:
    config = Config(migrations.ALEMBIC_INI, attributes={"connection": connection})
    target = command.downgrade if revision != "head" else command.upgrade
    target(config, revision)
    connection.commit()


async def test_the_history_survives_a_migration_both_ways(
    mine: httpx.AsyncClient, database: Database, database_url: str
) -> None:
    titles = await titles_of(database)
    for anime_id in titles:
        await apply_steps(mine, anime_id)
    await mine.delete(f"{LIST}/{titles[1]}")
    manga = {"title": "Berserk", "type": "manga", "source": "me", "mal_id": 2, "progress": 3}
    item = (await mine.post(ITEMS, json=manga)).json()
    await mine.patch(f"{ITEMS}/{item['id']}", json={"progress": 9, "title": "Berserk!"})
    shown = await histories(mine, titles)
    stored = await changes_of(database)
    async with database.engine.connect() as connection:
        await connection.run_sync(move, "20261121_1320")
    whole = await changes_of(database)
    assert all(state is None or state["media_type"] for change in whole for state in change[1:])
    assert [
        change[2]["progress"] for change in whole if change[2] and change[2]["media_type"] == "manga"
    ] == [3, 9]
    async with database.engine.connect() as connection:
        await connection.run_sync(move, "head")
    assert await changes_of(database) == stored
    assert await histories(mine, titles) == shown


async def changes_of(database: Database) -> list[tuple[Any, ...]]:
    async with database.engine.connect() as connection:
        rows = await connection.execute(text("select id, before, after from entry_changes order by id"))
        return [tuple(row) for row in rows]


async def test_complete_states_of_an_older_version_are_read_too(
    mine: httpx.AsyncClient, database: Database
) -> None:
    """During a migration, an old process may still write complete states."""
    [one, _] = await titles_of(database)
    await apply_steps(mine, one)
    shown = await histories(mine, [one])
    async with database.engine.connect() as connection:
        await connection.run_sync(move, "20261121_1320")
    rows = await changes_of(database)
    async with database.engine.connect() as connection:
        await connection.run_sync(move, "head")
        for id_, before, after in rows[2:5]:
            await connection.execute(
                text(
                    "update entry_changes set before = cast(:before as jsonb), after = cast(:after as jsonb) "
                    "where id = :id"
                ),
                {"id": id_, "before": orjson.dumps(before).decode(), "after": orjson.dumps(after).decode()},
            )
        await connection.commit()
    assert await histories(mine, [one]) == shown


async def test_long_histories_are_pruned(
    mine: httpx.AsyncClient, database: Database, container: Container
) -> None:
    [one, two] = await titles_of(database)
    for anime_id in (one, two):
        await mine.post(LIST, json={"anime_id": anime_id, "status": "watching", "progress": 0})
    async with database.transaction() as tx:
        await tx.session.execute(
            text(
                """
                insert into entry_changes (user_id, entry_id, anime_id, origin, before, after, changed_at)
                select user_id, id, anime_id, 'api', jsonb_build_object('progress', n - 1),
                       jsonb_build_object('progress', n), now() - (700 - n) * interval '1 day'
                from entries, generate_series(1, 600) n where anime_id = :one or n <= 400 order by n
                """
            ),
            {"one": one},
        )
        await tx.session.execute(
            text("update entries set progress = 600 where anime_id = :one"), {"one": one}
        )
        await tx.session.execute(
            text("update entry_changes set changed_at = now() - interval '2 years' where before is null")
        )
    before = (await mine.get(f"{LIST}/{one}/history", params={"limit": 100})).json()
    await container.library.entries.forget_changes()
    kept = await mine.get(f"{LIST}/{one}/history", params={"limit": 100})
    assert kept.headers["X-Total-Count"] == str(KEPT_CHANGES)
    assert kept.json() == before
    assert (await mine.get(f"{LIST}/{two}/history")).headers["X-Total-Count"] == "401"
    path = f"{LIST}/{one}"
    assert (await mine.post(f"{path}/undo")).json()["progress"] == 599
    stale = (await mine.get(path)).headers["ETag"]
    async with database.transaction() as tx:
        await tx.session.execute(text("update entries set version = 9000"))
    newest = (await mine.get(path)).headers["ETag"]
    await mine.delete(path)
    await mine.post(f"{path}/undo")
    for tag in (stale, newest):
        answer = await mine.patch(path, json={"score": 1}, headers={"If-Match": tag})
        assert answer.status_code == 412
    assert (await mine.get(path)).headers["ETag"].endswith('-9001"')


async def test_recent_changes_are_kept_whatever_their_number(
    mine: httpx.AsyncClient, database: Database, container: Container
) -> None:
    [one, _] = await titles_of(database)
    await mine.post(LIST, json={"anime_id": one, "status": "watching"})
    async with database.transaction() as tx:
        await tx.session.execute(
            text(
                """
                insert into entry_changes (user_id, entry_id, anime_id, origin, before, after, changed_at)
                select user_id, id, anime_id, 'api', '{}', '{}', now() - interval '364 days'
                from entries, generate_series(1, 700) n
                """
            )
        )
    await asyncio.gather(
        container.library.entries.forget_changes(), container.library.entries.forget_changes()
    )
    assert (await mine.get(f"{LIST}/{one}/history")).headers["X-Total-Count"] == "701"


async def test_the_history_of_the_whole_list(mine: httpx.AsyncClient, database: Database) -> None:
    one, two = await titles_of(database)
    await mine.post(LIST, json={"anime_id": one, "status": "watching", "progress": 2})
    await mine.post(ITEMS, json={"title": "Mine", "type": "manga", "source": "manual"})
    await mine.patch(f"{LIST}/{one}", json={"score": 8.5, "progress": 3})
    await mine.post(LIST, json={"anime_id": two, "status": "on_hold"})
    await mine.delete(f"{LIST}/{two}")
    answer = await mine.get("/users/me/history", params={"limit": 3})
    assert answer.headers["X-Total-Count"] == "5"
    told = [(line["title"], line["action"], line["changes"]) for line in answer.json()]
    assert told == [
        ("Two", "removed", {"status": ["on_hold", None], "progress": [0, None]}),
        ("Two", "added", {"status": [None, "on_hold"], "progress": [None, 0]}),
        ("One", "changed", {"score": [None, 8.5], "progress": [2, 3]}),
    ]
    rest = (await mine.get("/users/me/history", params={"offset": 3})).json()
    assert [(line["title"], line["anime_id"], line["origin"]) for line in rest] == [
        ("Mine", None, "tracker"),
        ("One", one, "api"),
    ]


async def test_histories_of_other_users_are_not_visible(
    mine: httpx.AsyncClient, database: Database, other_user: SignedIn
) -> None:
    [one, _] = await titles_of(database)
    await mine.post(LIST, json={"anime_id": one, "status": "watching"})
    answer = await mine.get("/users/me/history", headers=other_user.headers)
    assert (answer.json(), answer.headers["X-Total-Count"]) == ([], "0")


async def test_a_failed_import_that_was_undone_is_not_retried(
    mine: httpx.AsyncClient, container: Container, database: Database
) -> None:
    job = (await mine.post(IMPORT, files=upload(long_list(1)))).json()["job_id"]
    async with database.transaction() as tx:
        await tx.session.execute(text("update jobs set status = 'failed', error = 'the reason'"))
    assert await undo_import(container, mine, job) == 0
    assert (await mine.post(f"/jobs/{job}/retry")).status_code == 409
    assert (await mine.get(f"/jobs/{job}")).json() == IsPartialDict(status="failed", error="the reason")
