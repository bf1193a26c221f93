"""Bring a database to the newest schema, one process at a time, or say how far it is from it."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, exc, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.utils.db.database import DatabaseUnavailable, is_connection_fault

logging.getLogger("alembic").setLevel(logging.WARNING)

_ALEMBIC_INI = Path(__file__).parents[3] / "alembic.ini"
_LOCK = 0x616E6973  # the key of the advisory lock, any number of ours
_LOCK_WITHIN = 300.0  # seconds; somebody else may be migrating a large table
_CONNECT_WITHIN = 50.0  # seconds; a start that fails has failed within a minute
_LOGIN_STATES = ("28", "3D", "42501")  # wrong role or password, no such database, no right to it


class SchemaNotReady(Exception):
    """The schema is not the one that this code needs; the text says what was found and wanted."""


class LoginRefused(Exception):
    """PostgreSQL answers, but does not let us into that database."""


@dataclass(frozen=True)
class SchemaState:
    database: str
    schema: str
    found: str | None
    wanted: str
    known: bool
    """False where the revision found is of newer code than this."""

    @property
    def at_head(self) -> bool:
        return self.found == self.wanted

    @property
    def remedy(self) -> str:
        """What brings a schema that is not at head there."""
        return "run `anisync migrate`" if self.known else "newer than this code: deploy the code that made it"

    def __str__(self) -> str:
        found = self.found or "none"
        return f"database {self.database}, schema {self.schema}: revision {found}, wanted {self.wanted}"


async def ensure(url: str, *, auto: bool) -> SchemaState:
    """Make sure of the newest schema before a start: migrate, or only check."""
    return await (upgrade(url) if auto else require_head(url))


async def upgrade(url: str) -> SchemaState:
    """Migrate to head under an advisory lock; returns the state after. Waits for a database that starts."""
    engine = _engine(url)
    try:
        await _wait_for(engine)
        async with engine.connect() as keeper:
            await _lock(await keeper.execution_options(isolation_level="AUTOCOMMIT"))
            state = await _state(engine)
            if not state.known:
                raise SchemaNotReady(f"{state} ({state.remedy})")
            if not state.at_head:
                async with engine.connect() as connection:
                    await connection.run_sync(_upgrade)
                state = await _state(engine)
        return state
    finally:
        await engine.dispose()


async def inspect(url: str) -> SchemaState:
    """Read how far the schema is, without waiting for a database that does not answer."""
    engine = _engine(url)
    try:
        with _translated():
            return await _state(engine)
    finally:
        await engine.dispose()


async def require_head(url: str) -> SchemaState:
    """Return the state of a schema at head, or raise :class:`SchemaNotReady`."""
    engine = _engine(url)
    try:
        await _wait_for(engine)
        state = await _state(engine)
    finally:
        await engine.dispose()
    if not state.at_head:
        raise SchemaNotReady(f"{state} ({state.remedy})")
    return state


def _engine(url: str) -> AsyncEngine:
    return create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 5})


async def _wait_for(engine: AsyncEngine) -> None:
    """Return as soon as the database takes a connection."""
    deadline = time.monotonic() + _CONNECT_WITHIN
    while True:
        try:
            with _translated():
                async with engine.connect():
                    return
        except DatabaseUnavailable:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.5)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what keeps us out of the database into errors of one line."""
    try:
        yield
    except Exception as error:
        state = str(getattr(getattr(error, "orig", None), "sqlstate", ""))
        if isinstance(error, exc.DBAPIError) and state.startswith(_LOGIN_STATES):
            raise LoginRefused(f"PostgreSQL refuses us: {_one_line(error)}") from error
        if is_connection_fault(error):
            raise DatabaseUnavailable(f"PostgreSQL is not reachable: {_one_line(error)}") from error
        raise


def _one_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error or type(error).__name__).splitlines()[0].split(">: ")[-1]


async def _lock(connection: AsyncConnection) -> None:
    # Asked again and again, not waited for: a waiting statement holds a snapshot,
    # which CREATE INDEX CONCURRENTLY of the one who migrates would wait for in turn.
    deadline = time.monotonic() + _LOCK_WITHIN
    while not (await connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": _LOCK})).scalar():
        if time.monotonic() > deadline:
            raise SchemaNotReady("another process holds the migration lock")
        await asyncio.sleep(0.2)


async def _state(engine: AsyncEngine) -> SchemaState:
    async with engine.connect() as connection:
        return await connection.run_sync(_read_state)


def wanted_revision() -> str:
    """The revision that this code needs: the newest migration beside it."""
    wanted = _scripts().get_current_head()
    if wanted is None:
        raise SchemaNotReady("there are no migrations beside this code")
    return wanted


def _read_state(connection: Connection) -> SchemaState:
    wanted = wanted_revision()
    row = connection.execute(text("select current_database(), current_schema()")).one()
    found = MigrationContext.configure(connection).get_current_revision()
    known = found is None or found in {script.revision for script in _scripts().walk_revisions()}
    return SchemaState(database=row[0], schema=row[1], found=found, wanted=wanted, known=known)


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _upgrade(connection: Connection) -> None:
    command.upgrade(_config(connection), "head")


def _config(connection: Connection | None = None) -> Config:
    attributes: dict[str, Any] = {} if connection is None else {"connection": connection}
    return Config(_ALEMBIC_INI, attributes=attributes)
