"""Database connections: translated faults, replaced connections, no leaks."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.utils.db.database import Database, DatabaseUnavailable, ReferenceGone, UnstorableValue
from app.utils.metrics import AFTER_COMMIT_FAILURES


async def backend(database: Database) -> int:
    async with database.driver() as driver:
        pid: int = await driver.fetchval("select pg_backend_pid()")
    return pid


@contextmanager
def nothing_leaks(database: Database) -> Iterator[None]:
    yield
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def kill(url: str, pid: int) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.fetchval("select pg_terminate_backend($1)", pid)
    await connection.close()


async def test_a_connection_lost_during_a_statement_fails_once(database: Database, database_url: str) -> None:
    with nothing_leaks(database):
        pid = await backend(database)

        async def wait() -> None:
            async with database.driver() as driver:
                await driver.fetchval("select pg_sleep(30)")

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.2)
        await kill(database_url, pid)
        with pytest.raises(DatabaseUnavailable):
            await waiting
        assert await backend(database) != pid


async def test_a_connection_lost_while_idle_is_replaced(database: Database, database_url: str) -> None:
    with nothing_leaks(database):
        pid = await backend(database)
        await kill(database_url, pid)
        await asyncio.sleep(1.1)  # a recently used one is trusted
        assert await backend(database) != pid


async def test_a_cancelled_caller_returns_a_working_connection(database: Database) -> None:
    with nothing_leaks(database):
        pid = await backend(database)

        async def wait() -> None:
            async with database.driver() as driver:
                await driver.fetchval("select pg_sleep(30)")

        for _ in range(20):
            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert await backend(database) == pid


async def test_a_statement_error_is_not_translated(database: Database) -> None:
    with nothing_leaks(database):
        pid = await backend(database)
        async with database.driver() as driver:
            with pytest.raises(asyncpg.UndefinedColumnError):
                await driver.fetchval("select nonsense")
        assert await backend(database) == pid


async def test_a_statement_timeout_is_translated(database_url: str) -> None:
    database = Database.connect(database_url, statement_timeout=0.2)
    with nothing_leaks(database), pytest.raises(DatabaseUnavailable):
        async with database.driver() as driver:
            await driver.fetchval("select pg_sleep(30)")
    await database.close()


async def test_reads_autocommit_and_see_the_latest_data(database: Database) -> None:
    async with database.driver() as driver:
        await driver.execute("create table t (n int)")
        for number in range(3):
            async with database.transaction() as tx:
                await tx.session.execute(text("insert into t values (1)"))
            assert await driver.fetchval("select count(*) from t") == number + 1


async def test_a_burst_opens_connections_once(database_url: str) -> None:
    database = Database.connect(database_url, pool_size=2, max_overflow=3)
    async with database.driver() as watcher:
        for _ in range(5):
            await asyncio.gather(*(backend(database) for _ in range(30)))
        row = await watcher.fetchrow(
            "select sessions, (select count(*) from pg_stat_activity a where a.datid = d.datid) as alive"
            " from pg_stat_database d where datname = current_database()"
        )
    assert row is not None
    assert row["alive"] <= 5
    assert row["sessions"] <= 7, "connections were opened and closed over and over"
    await database.close()


async def test_a_wait_for_a_connection_times_out(database_url: str) -> None:
    database = Database.connect(database_url, pool_size=1, max_overflow=0)
    async with database.driver():
        with pytest.raises(DatabaseUnavailable):
            await backend(database)
    assert await backend(database)
    await database.close()


async def test_failures_do_not_log_user_data(database: Database) -> None:
    secret = "swordfish-9f3b"
    with pytest.raises(DBAPIError) as failure:
        async with database.reader() as connection:
            await connection.execute(text("select cast(:word as text) || no_such_column"), {"word": secret})
    assert secret not in str(failure.value)


async def test_a_foreign_key_violation_is_translated(database: Database) -> None:
    with pytest.raises(ReferenceGone):
        async with database.transaction() as tx:
            await tx.session.execute(text("insert into favorites (user_id, anime_id) values (7, 7)"))


async def test_a_failing_after_commit_callback_does_not_stop_others(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    async def fail() -> None:
        raise ZeroDivisionError("swordfish")

    async def succeed() -> None:
        done.append("later")

    before = AFTER_COMMIT_FAILURES._value.get()
    async with database.transaction() as tx:
        await tx.session.execute(text("create table committed (n int)"))
        for follower in (fail, succeed, fail, succeed):
            tx.after_commit(follower)
    assert done == ["later", "later"]
    assert await database.scalar("select count(*) from committed") == 0
    assert AFTER_COMMIT_FAILURES._value.get() == before + 2
    assert caplog.text.count("ZeroDivisionError: swordfish") == 2


async def test_callbacks_do_not_run_after_a_rollback(database: Database) -> None:
    done: list[str] = []

    async def note() -> None:
        done.append("followed")

    with suppress(ZeroDivisionError):
        async with database.transaction() as tx:
            tx.after_commit(note)
            raise ZeroDivisionError
    assert done == []


_BEYOND_TIME = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
# Statements with one parameter, and a value that fails: in the server, or in asyncpg before sending.
UNSTORABLE: dict[str, tuple[str, Any]] = {
    "an integer that overflows": ("select cast({0} as int) + 2147483647", 1),
    "an integer that does not fit": ("select cast({0} as int)", 2**31),
    "an instant that UTC does not have": ("select cast({0} as timestamptz)", _BEYOND_TIME),
    "a number that divides by zero": ("select 1 / cast({0} as int)", 0),
    "a float that underflows": ("select 1e-300::float8 * cast({0} as float8)", 1e-300),
    "no date": ("select cast(cast({0} as text) as date)", "2015-02-30"),
    "a NUL": ("select cast({0} as text)", "a\x00"),
    "a lone surrogate": ("select cast({0} as text)", "\ud800"),
    "what a constraint forbids": ("insert into anime (title, episodes) values ('A', {0})", 100_001),
}


@pytest.mark.parametrize("case", UNSTORABLE)
async def test_an_unstorable_value_is_translated(
    database: Database, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    sql, value = UNSTORABLE[case]
    with nothing_leaks(database):
        with pytest.raises(UnstorableValue):
            async with database.transaction() as tx:
                await tx.session.execute(text(sql.format(":value")), {"value": value})
        with pytest.raises(UnstorableValue):
            async with database.driver() as driver:
                await driver.fetchval(sql.format("$1"), value)
    assert "database.value_rejected" in caplog.text
    assert "sqlstate=" in caplog.text
    assert not isinstance(value, str) or value not in caplog.text, "the log holds what people sent"
    assert await backend(database)


async def test_generic_plans_are_used_for_writes_and_hot_reads_custom_ones_for_filters(
    database_url: str,
) -> None:
    database = Database.connect(database_url, pool_size=1, max_overflow=0)
    shown = "select current_setting('plan_cache_mode')"

    async def of_a_read() -> str:
        return str(await database.scalar(shown))

    async def of_a_write() -> str:
        async with database.transaction() as tx:
            return str((await tx.session.execute(text(shown))).scalar_one())

    async def of_a_rolled_back_write() -> str:
        with suppress(ZeroDivisionError):
            async with database.transaction() as tx:
                mode = str((await tx.session.execute(text(shown))).scalar_one())
                raise ZeroDivisionError
        return mode

    async def beneath(*, fresh: bool) -> str:
        async with database.driver(fresh_plans=fresh) as driver:
            return str(await driver.fetchval(shown))

    for _ in range(2):
        assert await of_a_read() == "force_custom_plan"
        assert await of_a_write() == "auto"
        assert await beneath(fresh=True) == "force_custom_plan"
        assert await of_a_rolled_back_write() == "auto"
        assert await of_a_read() == "force_custom_plan"
        assert await beneath(fresh=False) == "auto"
    await database.close()


async def test_a_connection_lost_before_its_plan_settings_were_sent_fails_once(
    database: Database, database_url: str
) -> None:
    with nothing_leaks(database):
        async with database.transaction() as tx:
            pid = (await tx.session.execute(text("select pg_backend_pid()"))).scalar_one()
        await kill(database_url, pid)
        with pytest.raises(DatabaseUnavailable):
            await database.scalar("select 1")
        assert await database.scalar("select pg_backend_pid()") != pid
