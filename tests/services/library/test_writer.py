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
    """Otherwise a client that saw the faster change would never ask for the slower one."""
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
