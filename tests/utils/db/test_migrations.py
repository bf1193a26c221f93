"""Migrations: one process migrates while others wait; unknown revisions are reported."""

import asyncio

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.utils.db import migrations
from app.utils.db.database import Database
from app.utils.db.migrations import SchemaNotReady


async def test_a_cloned_database_is_at_head(database_url: str) -> None:
    state = await migrations.require_head(database_url)
    assert state.at_head
    assert state.database.startswith("clone_")
    assert state.schema == "public"


def test_the_newest_migration_is_the_one_that_alembic_finds() -> None:
    scripts = ScriptDirectory.from_config(Config(migrations.ALEMBIC_INI))
    assert migrations.head_revision() == scripts.get_current_head()


async def test_an_empty_database_is_reported_with_both_revisions(empty_database_url: str) -> None:
    with pytest.raises(SchemaNotReady, match=r"schema public: revision none, expected \w+"):
        await migrations.require_head(empty_database_url)


async def test_many_processes_migrate_an_empty_database_once(empty_database_url: str) -> None:
    states = await asyncio.gather(*(migrations.upgrade(empty_database_url) for _ in range(5)))
    assert all(state.at_head for state in states)


async def test_a_revision_of_newer_code_is_refused(database_url: str) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await connection.execute("update alembic_version set version_num = 'of the future'")
    await connection.close()
    with pytest.raises(SchemaNotReady, match="newer than this code"):
        await migrations.upgrade(database_url)
    with pytest.raises(SchemaNotReady, match="of the future"):
        await migrations.require_head(database_url)


async def test_a_cloned_database_is_empty(database: Database) -> None:
    async with database.transaction() as tx:
        connection = await tx.session.connection()
        await connection.exec_driver_sql("create table trace (id int)")
    assert await database.scalar("select to_regclass('trace') is not null")


async def test_a_second_clone_is_independent(database: Database) -> None:
    assert await database.scalar("select to_regclass('trace') is null")


async def test_values_beyond_new_limits_are_clamped(empty_database_url: str) -> None:
    """For rows older than the limits; values within them do not change."""
    await migrate_to(empty_database_url, "20261121_1320")
    connection = await asyncpg.connect(empty_database_url.replace("+asyncpg", ""))
    await connection.execute(
        """
        insert into users (username, password_hash) values ('mio', 'x');
        insert into anime (title, episodes, duration_minutes) values
            ('A', 2147483647, 1e-320), ('B', 12, 24), ('C', null, 1e308);
        insert into entries (user_id, media_type, anime_id, status, progress, volumes, max_progress,
                             rewatch_count) values
            (1, 'anime', 1, 'watching', 2147483647, 2147483647, 2147483647, 2147483647),
            (1, 'anime', 2, 'watching', 100000, null, null, 10000),
            (1, 'anime', 3, 'watching', 100001, null, null, 0);
        insert into watch_progress
            (user_id, anime_id, episode, position_seconds, reported_at, last_watched_at)
        values (1, 1, 2147483646, 1, now(), '2026-01-01'),
               (1, 1, 2147483647, 2147483647, now(), '2026-01-02'),
               (1, 2, 7, 1000000, now(), now()), (1, 3, 100001, null, now(), now());
        insert into views (user_id, anime_id, episode, viewed_at) values (1, 1, 2147483647, now());
        """
    )
    state = await migrations.upgrade(empty_database_url)
    assert state.at_head
    entries = await connection.fetch(
        "select progress, volumes, max_progress, rewatch_count, version from entries order by id"
    )
    assert [tuple(row) for row in entries] == [
        (100_000, 100_000, 100_000, 10_000, 2),
        (100_000, None, None, 10_000, 1),
        (100_000, None, None, 0, 2),
    ]
    titles = await connection.fetch("select episodes, duration_minutes from anime order by id")
    assert [tuple(row) for row in titles] == [(100_000, None), (12, 24.0), (None, None)]
    reports = await connection.fetch("select episode, position_seconds from watch_progress order by id")
    assert [tuple(row) for row in reports] == [(100_000, 1_000_000), (7, 1_000_000), (100_000, None)]
    assert await connection.fetchval("select episode from views") == 100_000
    assert await connection.fetchval("select bool_and(convalidated) from pg_constraint")
    await connection.close()


async def migrate_to(url: str, revision: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        config = Config(migrations.ALEMBIC_INI, attributes={"connection": connection.sync_connection})
        await connection.run_sync(lambda _: command.upgrade(config, revision))
    await engine.dispose()
