"""Migrate a database to the current schema, one process at a time, or report its revision."""

import asyncio
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, exc, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.utils.db.database import DatabaseUnavailable, is_connection_fault

logging.getLogger("alembic").setLevel(logging.WARNING)

ALEMBIC_INI = Path(__file__).parents[3] / "alembic.ini"
_REVISION = re.compile(r'^(down_)?revision\b[^=\n]*= *"(\w+)"', re.MULTILINE)
_NO_TABLE = "42P01"
_LOCK_KEY = 0x616E6973  # key of the advisory lock, an arbitrary number
_LOCK_TIMEOUT = 300.0  # seconds; another process may be migrating a large table
_CONNECT_TIMEOUT = 50.0  # seconds, so that a failing start fails within a minute
_LOGIN_STATES = ("28", "3D", "42501")  # wrong role or password, no such database, insufficient privilege


class SchemaNotReady(Exception):
    """The schema is not at the revision this code needs; the message names both revisions."""


class LoginRefused(Exception):
    """PostgreSQL is up but rejects the role, the password or the database name."""


@dataclass(frozen=True)
class SchemaState:
    database: str
    schema: str
    revision: str | None
    head: str
    known: bool
    """False if the revision comes from newer code than this."""

    @property
    def at_head(self) -> bool:
        return self.revision == self.head

    @property
    def remedy(self) -> str:
        """The instruction to the operator for a schema that is not at head."""
        return "run `anisync migrate`" if self.known else "newer than this code: deploy the newer version"

    def __str__(self) -> str:
        revision = self.revision or "none"
        return f"database {self.database}, schema {self.schema}: revision {revision}, expected {self.head}"


async def ensure(url: str, *, auto: bool) -> SchemaState:
    """Require the head revision before a start; with ``auto`` migrate to it first."""
    return await (upgrade(url) if auto else require_head(url))


async def upgrade(url: str) -> SchemaState:
    """Migrate to head under an advisory lock and return the new state. Waits for a starting database."""
    engine = _engine(url)
    try:
        state = await _wait_for_state(engine)
        if state.at_head:
            return state
        async with engine.connect() as lock_connection:
            await _lock(await lock_connection.execution_options(isolation_level="AUTOCOMMIT"))
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
    """Read the revision of the schema, without waiting for a database that does not answer."""
    engine = _engine(url)
    try:
        with _translate_errors():
            return await _state(engine)
    finally:
        await engine.dispose()


async def require_head(url: str) -> SchemaState:
    """The state of a schema at head; raises :class:`SchemaNotReady` for any other."""
    engine = _engine(url)
    try:
        state = await _wait_for_state(engine)
    finally:
        await engine.dispose()
    if not state.at_head:
        raise SchemaNotReady(f"{state} ({state.remedy})")
    return state


def _engine(url: str) -> AsyncEngine:
    return create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 5})


async def _wait_for_state(engine: AsyncEngine) -> SchemaState:
    """The state of the schema once the database accepts a connection."""
    deadline = time.monotonic() + _CONNECT_TIMEOUT
    while True:
        try:
            with _translate_errors():
                return await _state(engine)
        except DatabaseUnavailable:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.5)


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Translate connection and login failures to errors with a one-line message."""
    try:
        yield
    except Exception as error:
        state = str(getattr(getattr(error, "orig", None), "sqlstate", ""))
        if isinstance(error, exc.DBAPIError) and state.startswith(_LOGIN_STATES):
            raise LoginRefused(f"PostgreSQL rejects the login: {_one_line(error)}") from error
        if is_connection_fault(error):
            raise DatabaseUnavailable(f"PostgreSQL is not reachable: {_one_line(error)}") from error
        raise


def _one_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error or type(error).__name__).splitlines()[0].split(">: ")[-1]


async def _lock(connection: AsyncConnection) -> None:
    # Polled rather than waited for: a waiting statement holds a snapshot, which CREATE INDEX CONCURRENTLY
    # in the migrating process would wait for in turn.
    deadline = time.monotonic() + _LOCK_TIMEOUT
    query = text("select pg_try_advisory_lock(:key)")
    while not (await connection.execute(query, {"key": _LOCK_KEY})).scalar():
        if time.monotonic() > deadline:
            raise SchemaNotReady("another process holds the migration lock")
        await asyncio.sleep(0.2)


async def _state(engine: AsyncEngine) -> SchemaState:
    query = "select current_database(), current_schema(), {}"
    async with engine.connect() as connection:
        try:
            found = await connection.execute(text(query.format("(select version_num from alembic_version)")))
        except exc.ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) != _NO_TABLE:
                raise
            await connection.rollback()
            found = await connection.execute(text(query.format("null")))
        database, schema, revision = found.one()
    known = revision is None or revision in _revisions()
    return SchemaState(database=database, schema=schema, revision=revision, head=head_revision(), known=known)


def head_revision() -> str:
    """The newest migration that ships with this code."""
    revisions = _revisions()
    heads = revisions.keys() - revisions.values()
    if len(heads) != 1:
        raise SchemaNotReady(f"{len(heads) or 'no'} newest migrations were found next to this code")
    return heads.pop()


@cache
def _revisions() -> dict[str, str | None]:
    """Every migration's revision with the one before it.

    Read from the text of the files, because Alembic takes a second to import itself and all of them.
    """
    found = {}
    for path in (ALEMBIC_INI.parent / "migrations" / "versions").glob("*.py"):
        named = dict(_REVISION.findall(path.read_text("utf-8")))
        found[named[""]] = named.get("down_")
    return found


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    command.upgrade(Config(ALEMBIC_INI, attributes={"connection": connection}), "head")
