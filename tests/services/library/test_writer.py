"""Concurrent writers of a list: clients that poll for changes miss none."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import text

from app.container import Container
from app.repositories.library import ListFilter
from app.services.library import Operation, Target, apply
from tests.fixtures.accounts import SignedIn

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def make_titles(container: Container) -> list[int]:
    async with container.db.transaction() as tx:
        rows = await tx.session.execute(
            text("insert into anime (title) select 'T' || n from generate_series(1, 3) n returning id")
        )
        return sorted(rows.scalars())


async def changed(container: Container, user_id: int, since: datetime) -> list[dict[str, Any]]:
    filters = ListFilter(updated_since=since)
    page = await container.library.entries.list_anime(user_id, filters, limit=100, offset=0)
    found: list[dict[str, Any]] = orjson.loads(page.body)
    return found


async def test_timestamps_grow_in_commit_order(container: Container, user: SignedIn) -> None:
    """Otherwise a client that saw the faster change would never request the slower one."""
    first, second, third = await make_titles(container)
    await container.library.entries.add(user.id, Target(anime_id=third), {"status": "watching"}, origin="api")
    began = datetime.fromisoformat((await changed(container, user.id, LONG_AGO))[0]["updated_at"])
    async with container.db.transaction() as tx:
        slow = Operation("add", Target(anime_id=first), {"status": "watching"})
        await apply(tx, user.id, [slow], origin="import", now=datetime.now(UTC))
        faster = [
            asyncio.create_task(
                container.library.entries.add(
                    user.id, Target(anime_id=second), {"status": "dropped"}, origin="api"
                )
            ),
            asyncio.create_task(
                container.library.entries.delete(user.id, Target(anime_id=third), origin="api")
            ),
        ]
        await asyncio.wait(faster, timeout=0.3)
        seen = await changed(container, user.id, began)
    await asyncio.gather(*faster)
    stamps = [datetime.fromisoformat(entry["updated_at"]) for entry in seen]
    later = await changed(container, user.id, max(stamps, default=began))
    assert {entry["anime_id"] for entry in [*seen, *later]} == {first, second, third}


async def test_a_restored_entry_is_not_listed_as_deleted(container: Container, user: SignedIn) -> None:
    [first, *_] = await make_titles(container)
    target = Target(anime_id=first)
    await container.library.entries.add(user.id, target, {"status": "watching"}, origin="api")
    await container.library.entries.delete(user.id, target, origin="api")
    await container.library.entries.add(user.id, target, {"status": "dropped"}, origin="api")
    assert await container.library.entries.undo(user.id, target) is None
    assert await container.library.entries.undo(user.id, target) is not None
    [shown] = await changed(container, user.id, LONG_AGO)
    assert (shown["anime_id"], shown.get("deleted", False)) == (first, False)


async def test_writers_of_different_lists_do_not_block_each_other(
    container: Container, user: SignedIn, other_user: SignedIn
) -> None:
    first, second, _ = await make_titles(container)
    async with container.db.transaction() as tx:
        slow = Operation("add", Target(anime_id=first), {"status": "watching"})
        await apply(tx, user.id, [slow], origin="import", now=datetime.now(UTC))
        for anime_id in (first, second):
            await container.library.entries.add(
                other_user.id, Target(anime_id=anime_id), {"status": "dropped"}, origin="api"
            )
    assert len(await changed(container, other_user.id, LONG_AGO)) == 2


async def test_an_edit_waits_for_another_writer_of_the_list(container: Container, user: SignedIn) -> None:
    first, second, _ = await make_titles(container)
    entries = container.library.entries
    await entries.add(user.id, Target(anime_id=first), {"status": "watching"}, origin="api")
    rate = Operation("update", Target(anime_id=first), {"score": 70})
    async with container.db.transaction() as tx:
        slow = Operation("add", Target(anime_id=second), {"status": "watching"})
        await apply(tx, user.id, [slow], origin="import", now=datetime.now(UTC))
        faster = asyncio.create_task(entries.edit(user.id, rate, origin="api"))
        done, _ = await asyncio.wait([faster], timeout=0.3)
        assert not done, "it would be stamped before what is committed later"
    edited = await faster
    shown = [entry["anime_id"] for entry in await changed(container, user.id, LONG_AGO)]
    assert (edited.version, shown) == (2, [first, second])


async def test_an_edit_of_a_list_that_a_service_follows_is_noted_for_it(
    container: Container, user: SignedIn
) -> None:
    first, *_ = await make_titles(container)
    entries = container.library.entries
    await entries.add(user.id, Target(anime_id=first), {"status": "watching"}, origin="api")
    rate = Operation("update", Target(anime_id=first), {"score": 70})
    await entries.edit(user.id, rate, origin="api")
    async with container.db.transaction() as tx:
        await tx.session.execute(
            text(
                """
                insert into service_links
                    (user_id, service, remote_user_id, remote_name, token, expires_at)
                values (:user_id, 'anilist', 1, 'mio', '', now() + interval '1 day')
                """
            ),
            {"user_id": user.id},
        )
    pending = "select pending_since is not null from service_links where user_id = :user_id"
    queued = "select count(*) from jobs where owner_id = :user_id"
    own = {"user_id": user.id}
    for origin, score, noted in (("anilist", 80, False), ("api", 80, False), ("api", 90, True)):
        edit = Operation("update", Target(anime_id=first), {"score": score})
        await entries.edit(user.id, edit, origin=origin)
        assert await container.db.scalar(pending, own) is noted, (origin, score)
        assert await container.db.scalar(queued, own) == int(noted)


async def test_concurrent_edits_of_one_list_all_succeed(container: Container, user: SignedIn) -> None:
    first, *_ = await make_titles(container)
    entries = container.library.entries
    await entries.add(user.id, Target(anime_id=first), {"status": "watching"}, origin="api")
    step = Operation("update", Target(anime_id=first), delta=1)
    async with asyncio.TaskGroup() as group:
        made = [group.create_task(entries.edit(user.id, step, origin="api")) for _ in range(64)]
    assert sorted(task.result().version for task in made) == list(range(2, 66))
