"""Migrations: one process migrates while the others wait, and a wrong revision is named."""

import asyncio

import asyncpg
import pytest

from app.utils import migrations
from app.utils.database import Database
from app.utils.migrations import SchemaNotReady


async def test_the_clone_is_at_head(database_url: str) -> None:
    state = await migrations.require_head(database_url)
    assert state.at_head
    assert state.database.startswith("clone_")
    assert state.schema == "public"


async def test_an_empty_database_names_both_revisions(empty_database_url: str) -> None:
    with pytest.raises(SchemaNotReady, match=r"schema public: revision none, wanted \w+"):
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


async def test_a_clone_is_fresh(database: Database) -> None:
    async with database.transaction() as tx:
        connection = await tx.session.connection()
        await connection.exec_driver_sql("create table trace (id int)")
    assert await database.scalar("select to_regclass('trace') is not null")


async def test_a_second_clone_has_no_trace(database: Database) -> None:
    assert await database.scalar("select to_regclass('trace') is null")
