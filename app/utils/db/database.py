"""PostgreSQL through async SQLAlchemy: the engine, transactions and after-commit callbacks."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import asyncpg
import structlog
from sqlalchemy import Connection, event, exc, text
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi as _Dbapi
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from app.utils.db.pool import CountedPool
from app.utils.metrics import AFTER_COMMIT_FAILURES

_log = structlog.get_logger(__name__)

T = TypeVar("T")
Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
AfterCommit = Callable[[], Awaitable[None]]
Recorder = Callable[["Transaction", Sequence[object]], Awaitable[None]]
Publisher = Callable[[Sequence[object]], Awaitable[None]]

_PLACEHOLDER = re.compile(r"(?<![:\w]):(\w+)")
_IDLE_BEFORE_PING = 1.0  # seconds; a connection used more recently is not pinged
_POOL_WAIT = 2.0  # seconds a request waits for a connection before it fails with 503
_PLAN_MODE = "plan_cache_mode"
_FRESH_PLANS = "force_custom_plan"  # the catalogue's filters differ too much in selectivity for one plan
_KEPT_PLANS = "auto"  # for access by key; otherwise foreign key checks would be planned again for every row


class DatabaseUnavailable(Exception):
    """PostgreSQL is unreachable or did not answer in time; the operation may be retried."""


class ReferenceGone(Exception):
    """A foreign key violation: the referenced row was deleted concurrently."""


class UnstorableValue(Exception):
    """PostgreSQL rejected a value: it is out of range for its type or violates a CHECK constraint."""

    def __init__(self) -> None:
        super().__init__("A value is out of the range that can be stored.")


def _server_settings(statement_timeout: float) -> dict[str, str]:
    return {
        "application_name": "anisync",
        "timezone": "UTC",
        "jit": "off",
        "max_parallel_workers_per_gather": "0",  # starting parallel workers takes longer than most reads
        "statement_timeout": str(int(statement_timeout * 1000)),
        "lock_timeout": "4000",
        "idle_in_transaction_session_timeout": "10000",
        _PLAN_MODE: _KEPT_PLANS,
    }


class Transaction:
    """One unit of work: repositories execute on ``session``, services register after-commit callbacks."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.facts: list[object] = []
        self._callbacks: list[AfterCommit] = []

    async def driver(self) -> Driver:
        """The bare asyncpg connection of the session, for COPY and for bulk reads and writes."""
        raw = await (await self.session.connection()).get_raw_connection()
        driver: Driver = raw.driver_connection  # type: ignore[assignment]
        return driver

    def emit(self, fact: object) -> None:
        """Record an event, stored with this transaction and published after its commit."""
        self.facts.append(fact)

    def after_commit(self, callback: AfterCommit) -> None:
        """Run ``callback`` once the transaction is committed."""
        self._callbacks.append(callback)

    async def run_callbacks(self) -> None:
        """Run the after-commit callbacks in order; a failure is logged and does not stop the others."""
        for callback in self._callbacks:
            try:
                await callback()
            except Exception as error:  # noqa: BLE001  # the commit stands whatever a callback raises
                AFTER_COMMIT_FAILURES.inc()
                _log.error("after_commit.failed", exc_info=error)


def numbered(sql: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Convert ``:name`` placeholders to asyncpg's numbered ones; returns the values in that order."""
    statement, names = _numbered(sql)
    return statement, [values[name] for name in names]


@lru_cache(512)
def _numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    places: dict[str, int] = {}
    statement = _PLACEHOLDER.sub(lambda match: f"${places.setdefault(match[1], len(places) + 1)}", sql)
    return statement, tuple(places)


class Database:
    """Hands out transactions (for writes) and autocommit connections (for single-statement reads).

    Both translate connection faults to :class:`DatabaseUnavailable`, data exceptions to
    :class:`UnstorableValue` and foreign key violations to :class:`ReferenceGone`.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT", plan_mode=_FRESH_PLANS)
        self._recorder: Recorder | None = None
        self._publisher: Publisher | None = None

    def attach_recorder(self, recorder: Recorder, publisher: Publisher) -> None:
        """Call ``recorder`` with the events of a transaction right before its commit.

        ``publisher`` is called with the events of statements that commit by themselves. Without them events
        are discarded.
        """
        self._recorder = recorder
        self._publisher = publisher

    async def publish(self, *facts: object) -> None:
        """Publish events that need neither a row nor a reaction, after a statement on :meth:`driver`."""
        if self._publisher is not None:
            await self._publisher(facts)

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        pool_size: int = 5,
        max_overflow: int = 10,
        recycle: int = 1800,
        pre_ping: bool = True,
        statement_timeout: float = 5.0,
    ) -> "Database":
        """Create the pool; it connects on first use. ``statement_timeout`` and ``recycle`` are in seconds."""
        engine = create_async_engine(
            url,
            poolclass=CountedPool,
            hide_parameters=True,  # parameters are user data and must not reach the log
            # Overflow connections are kept: opening one costs more than a request. LIFO leaves surplus idle.
            pool_size=pool_size + max_overflow,
            max_overflow=0,
            pool_use_lifo=True,
            pool_recycle=recycle,
            pool_timeout=_POOL_WAIT,
            connect_args={
                "timeout": 3,
                "command_timeout": statement_timeout + 1,
                "server_settings": _server_settings(statement_timeout),
            },
        )
        if pre_ping:
            _ping_after_idle(engine)
        _set_plan_mode(engine)
        return cls(engine)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commit at the end of the block, roll back on an exception; then run the after-commit callbacks."""
        with _translate_errors():
            async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
                tx = Transaction(session)
                yield tx
                if tx.facts and self._recorder is not None:
                    await self._recorder(tx, tx.facts)
        await tx.run_callbacks()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[AsyncConnection]:
        """A connection in autocommit mode: one round trip per statement. For reads only."""
        with _translate_errors():
            async with self._reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def driver(self, *, fresh_plans: bool | None = True) -> AsyncIterator[Driver]:
        """A bare asyncpg connection in autocommit mode: a third of the overhead, for the hottest statements.

        With ``fresh_plans`` PostgreSQL plans each statement for its values, without it may reuse a generic
        plan. None keeps the mode of the connection's previous user, which saves a round trip: for access by
        key, where both plans are the same.
        """
        with _translate_errors():
            pooled = await self.engine.raw_connection()
            driver: Driver = pooled.driver_connection  # type: ignore[assignment]
            try:
                mode = _FRESH_PLANS if fresh_plans else _KEPT_PLANS
                if fresh_plans is not None and pooled.info.get(_PLAN_MODE, _KEPT_PLANS) != mode:
                    await driver.execute(f"set {_PLAN_MODE} = {mode}")
                    pooled.info[_PLAN_MODE] = mode
                yield driver
            finally:
                if driver.is_closed():
                    pooled.invalidate()
                pooled.close()

    async def scalar(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row of a query."""
        async with self.reader() as connection:
            return (await connection.execute(text(sql), parameters or {})).scalar()

    def update_metrics(self) -> None:
        """Set the pool gauges to the current state."""
        pool = self.engine.pool
        if isinstance(pool, CountedPool):
            pool.update_metrics()

    async def close(self) -> None:
        await self.engine.dispose()


class _translate_errors:  # noqa: N801  # used like a function; a class costs less than @contextmanager
    """Translate driver errors to the three exceptions above."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and _is_value_error(error):
            # neither the message nor the parameters, which contain user data
            statement = getattr(error, "statement", None)
            _log.warning("database.value_rejected", sqlstate=_sqlstate_of(error), statement=statement)
            raise UnstorableValue from error
        if error is not None and is_connection_fault(error):
            raise DatabaseUnavailable(type(error).__name__) from error
        if isinstance(error, exc.IntegrityError | asyncpg.ForeignKeyViolationError) and (
            _sqlstate_of(error) == _FOREIGN_KEY_VIOLATION
        ):
            raise ReferenceGone from error


# Always an insert that lost a race: every foreign key cascades or is set to null, so no delete fails with it.
_FOREIGN_KEY_VIOLATION = "23503"
_UNSTORABLE_STATES = (
    "22",  # data exceptions: out of range, invalid timestamp, division by zero, invalid encoding…
    "23514",  # check violation
)
_UNAVAILABLE_STATES = (
    "08",  # connection exceptions
    "28",  # invalid authorization
    "3D000",  # database does not exist
    "53",  # insufficient resources
    "57",  # operator intervention: shutdown, crash, statement timeout
    "55P03",  # lock not available
    "25006",  # read-only after a failover
    "25P03",  # idle-in-transaction timeout
    "40001",  # serialization failure
    "40P01",  # deadlock
)


def _is_value_error(error: BaseException) -> bool:
    """Whether a value caused the error, including values that asyncpg could not encode."""
    if isinstance(error, asyncpg.InterfaceError):
        return isinstance(error, ValueError)
    return _sqlstate_of(error).startswith(_UNSTORABLE_STATES)


def is_connection_fault(error: BaseException) -> bool:
    """Whether the fault is unrelated to the statement, so that a retry may succeed."""
    if isinstance(error, exc.TimeoutError | exc.InterfaceError | ConnectionError | TimeoutError):
        return True
    if isinstance(error, exc.DBAPIError):
        if error.connection_invalidated:
            return True
        return _is_transient(error.orig)
    if isinstance(error, _Dbapi.Error):  # raised by SQLAlchemy's adapter around a bare connection
        return isinstance(error, _Dbapi.InterfaceError) or _is_transient(error)
    if isinstance(error, asyncpg.PostgresError):  # from COPY, which bypasses SQLAlchemy
        return _is_transient(error)
    if isinstance(error, asyncpg.InterfaceError):
        return not _is_value_error(error)
    if type(error) is asyncpg.InternalClientError:  # it was used while the server was closing it
        return True
    # an OSError with a file name is about a file, not about the socket
    return isinstance(error, OSError) and error.filename is None


def _is_transient(error: BaseException | None) -> bool:
    return _sqlstate(error).startswith(_UNAVAILABLE_STATES)


def _sqlstate(error: BaseException | None) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _sqlstate_of(error: BaseException) -> str:
    """The SQLSTATE of an error of any layer; SQLAlchemy's errors wrap those of the driver."""
    return _sqlstate(error.orig if isinstance(error, exc.DBAPIError) else error)


def _ping_after_idle(engine: AsyncEngine) -> None:
    """Like ``pool_pre_ping``, but without the round trip for a connection that was in use a moment ago."""

    @event.listens_for(engine.sync_engine, "checkin")
    def _note(_: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def _test(dbapi_connection: Any, record: Any, _: Any) -> None:
        used_at = record.info.get("used_at")
        if used_at is None or time.monotonic() - used_at < _IDLE_BEFORE_PING:
            return
        try:
            alive = engine.dialect.do_ping(dbapi_connection)
        except (exc.DBAPIError, engine.dialect.loaded_dbapi.Error, OSError, TimeoutError) as error:
            raise exc.DisconnectionError from error
        if not alive:
            raise exc.DisconnectionError


def _set_plan_mode(engine: AsyncEngine) -> None:
    """Set the plan mode of reads or of transactions when a connection changes from one to the other."""

    @event.listens_for(engine.sync_engine, "engine_connect")
    def _set(connection: Connection) -> None:
        mode = connection.get_execution_options().get("plan_mode", _KEPT_PLANS)
        pooled = connection.connection
        if pooled.info.get(_PLAN_MODE, _KEPT_PLANS) != mode:
            adapted: Any = pooled.dbapi_connection
            try:  # on the bare connection, since the adapter would begin a transaction
                adapted.run_async(lambda driver: driver.execute(f"set {_PLAN_MODE} = {mode}"))
            except BaseException:
                pooled.invalidate()
                raise
            pooled.info[_PLAN_MODE] = mode


async def wait_until_ready(database: Database, *, seconds: float) -> None:
    """Wait until PostgreSQL answers; raises :class:`DatabaseUnavailable` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            await database.scalar("select 1")
        except DatabaseUnavailable:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            return
