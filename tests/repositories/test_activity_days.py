"""The episodes per user and day, maintained by triggers: always equal to the sum of the history."""

import json
from random import Random
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from app.repositories.stats import StatsRepository
from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn
from tests.repositories.test_names_migration import alembic

REVISION, BEFORE = "20261128_1330", "20261128_0940"
LIST, ITEMS = "/users/me/list", "/api/library/items"
STEPS, TITLES = 100, 6
# Adds up the history itself, as the statistics did before there was a table of days.
FROM_HISTORY = """
    select (changed_at at time zone 'UTC')::date as day,
           sum(greatest(0, (after ->> 'progress')::bigint - coalesce((before ->> 'progress')::bigint, 0)))
    from entry_changes c
    where user_id = :user_id and origin not in ('import', 'undo') and after ? 'progress'
      and not exists (select from entries e where e.id = c.entry_id and e.media_type = 'manga')
      and not exists (select from entry_tombstones t where t.entry_id = c.entry_id and t.media_type = 'manga')
      and (not :public or exists (select from entries e where e.id = c.entry_id and not e.is_private))
    group by 1 order by 1
"""
EARLIER = """
    insert into entry_changes (user_id, entry_id, anime_id, origin, before, after, changed_at)
    select user_id, id, anime_id, :origin, jsonb_build_object('progress', cast(:before as int)),
           jsonb_build_object('progress', cast(:after as int)), now() - :days * interval '1 day'
    from entries where anime_id = :anime_id or :anime_id is null and media_type = 'manga'
"""


@pytest.fixture
async def titles(database: Database) -> list[int]:
    async with database.transaction() as tx:
        rows = await tx.session.execute(
            text(
                "insert into anime (title, episodes) select 't' || n, 26 from generate_series(1, :n) n "
                "returning id"
            ),
            {"n": TITLES},
        )
        return list(rows.scalars())


class Person:
    """Makes random changes to a list that may affect its statistics."""

    def __init__(self, client: httpx.AsyncClient, database: Database, titles: list[int], seed: int) -> None:
        self._client, self._database, self._titles = client, database, titles
        self._random = Random(seed)

    async def act(self) -> None:
        anime_id = self._random.choice(self._titles)
        path = f"{LIST}/{anime_id}"
        fields = self._fields()
        match self._random.randrange(10):
            case 0:
                await self._client.delete(path)
            case 1:
                await self._client.post(f"{path}/undo")
            case 2:
                await self._client.post(LIST, json={"anime_id": anime_id, "status": "watching", **fields})
            case 3:
                operations = [{"op": "update", "anime_id": anime_id, **self._fields()} for _ in range(3)]
                await self._client.post(f"{LIST}/batch", json={"operations": operations})
            case 4 | 5 | 6:
                await self._remember(self._random.choice([*self._titles, None]))
            case _:
                await self._client.patch(path, json=fields)

    def _fields(self) -> dict[str, Any]:
        fields = {"progress": self._random.randrange(20), "is_private": self._random.random() < 0.4}
        kept = self._random.sample(sorted(fields), self._random.randint(1, 2))
        return {name: fields[name] for name in kept}

    async def _remember(self, anime_id: int | None) -> None:
        """Add a change of an earlier day."""
        values = {
            "anime_id": anime_id,
            "origin": self._random.choice(["api", "api", "watch", "import", "undo"]),
            "before": self._random.randrange(12),
            "after": self._random.randrange(20),
            "days": self._random.randrange(30),
        }
        async with self._database.transaction() as tx:
            await tx.session.execute(text(EARLIER), values)


async def counted(database: Database, user_id: int) -> list[list[tuple[str, int]]]:
    """The statistics by day, for the user and for others."""
    shown = []
    async with database.reader() as connection:
        for public in (False, True):
            stats = json.loads(await StatsRepository(connection).get(user_id, public=public))
            shown.append([(day["date"], day["episodes"]) for day in stats["activity"]])
    return shown


async def summed_up(database: Database, user_id: int) -> list[list[tuple[str, int]]]:
    summed = []
    async with database.reader() as connection:
        for public in (False, True):
            rows = await connection.execute(text(FROM_HISTORY), {"user_id": user_id, "public": public})
            summed.append([(str(day), int(episodes)) for day, episodes in rows if episodes > 0])
    return summed


@pytest.mark.parametrize("seed", [1, 2])
async def test_days_add_up_to_the_history(
    client: httpx.AsyncClient, user: SignedIn, database: Database, titles: list[int], seed: int
) -> None:
    client.headers.update(user.headers)
    await client.post(ITEMS, json={"title": "Berserk", "type": "manga", "source": "me", "progress": 3})
    person = Person(client, database, titles, seed)
    for step in range(STEPS):
        await person.act()
        if step % 8 == 0:
            assert await counted(database, user.id) == await summed_up(database, user.id), step
    expected = await summed_up(database, user.id)
    assert await counted(database, user.id) == expected
    assert len(expected[0]) > 3


async def test_the_migration_counts_what_is_there(
    client: httpx.AsyncClient, user: SignedIn, database: Database, database_url: str, titles: list[int]
) -> None:
    client.headers.update(user.headers)
    person = Person(client, database, titles, 3)
    for _ in range(40):
        await person.act()
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    days = "select * from activity_days where episodes <> 0 order by user_id, day"
    kept = await connection.fetch(days)
    await connection.close()
    alembic(database_url, "downgrade", BEFORE)
    alembic(database_url, "upgrade", REVISION)
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    assert await connection.fetch(days) == kept
    assert kept
    await connection.close()
