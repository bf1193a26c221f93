"""PostgreSQL through async SQLAlchemy: the engine, transactions, and work that follows a commit."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import asyncpg
import structlog
from sqlalchemy import Connection, event, exc, text
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi as _Dbapi
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from app.utils.db.pool import CountedPool
from app.utils.metrics import FOLLOWER_FAILURES

_log = structlog.get_logger(__name__)

T = TypeVar("T")
Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
AfterCommit = Callable[[], Awaitable[None]]

_IDLE_BEFORE_PING = 1.0  # seconds; a connection used more recently is trusted
_POOL_WAIT = 2.0  # seconds a request waits for a connection before it is told 503
_PLAN_MODE = "plan_cache_mode"
_FRESH_PLANS = "force_custom_plan"  # filters differ too much in selectivity for one generic plan
_KEPT_PLANS = "auto"  # what goes by keys; else every foreign key of every new row is planned anew


class DatabaseUnavailable(Exception):
    """PostgreSQL cannot be reached, or did not answer in time; the work may be tried again."""


class ReferenceGone(Exception):
    """What a new row refers to was deleted meanwhile."""


class UnstorableValue(Exception):
    """PostgreSQL refused a value: it does not fit its type, or a result or a CHECK constraint does not."""

    def __init__(self) -> None:
        super().__init__("A value is beyond what can be stored.")


class Transaction:
    """One unit of work: repositories execute on ``session``, services add what must follow the commit."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self._followers: list[AfterCommit] = []

    async def driver(self) -> Driver:
        """The connection beneath the session: for COPY, and for what is read or written in bulk."""
        raw = await (await self.session.connection()).get_raw_connection()
        driver: Driver = raw.driver_connection  # type: ignore[assignment]
        return driver

    def after_commit(self, follower: AfterCommit) -> None:
        self._followers.append(follower)

    async def run_followers(self) -> None:
        """Run all of them, in their order. The commit stands: one that fails is logged and stops no other."""
        for follower in self._followers:
            try:
                await follower()
            except Exception as error:  # noqa: BLE001  # whatever it is, the caller's work is done
                FOLLOWER_FAILURES.inc()
                _log.error("after_commit.failed", exc_info=error)


class Database:
    """Hands out transactions (for writes) and autocommit connections (for single-statement reads).

    Both turn every fault of the connection into :class:`DatabaseUnavailable`, and every data exception
    into :class:`UnstorableValue`.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT", plan_mode=_FRESH_PLANS)

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
        """Make the pool; nothing is opened before the first use. ``statement_timeout`` is in seconds."""
        milliseconds = str(int(statement_timeout * 1000))
        engine = create_async_engine(
            url,
            poolclass=CountedPool,
            hide_parameters=True,  # a failure is logged with its statement, never with what people sent
            # The overflow is kept: opening costs more than a page. The last used goes first; the rest idle.
            pool_size=pool_size + max_overflow,
            max_overflow=0,
            pool_use_lifo=True,
            pool_recycle=recycle,
            pool_timeout=_POOL_WAIT,
            connect_args={
                "timeout": 3,
                "command_timeout": statement_timeout + 1,
                "server_settings": {
                    "application_name": "anisync",
                    "timezone": "UTC",
                    "jit": "off",
                    "statement_timeout": milliseconds,
                    "lock_timeout": "4000",
                    "idle_in_transaction_session_timeout": "10000",
                    _PLAN_MODE: _KEPT_PLANS,
                },
            },
        )
        if pre_ping:
            _ping_after_idle(engine)
        _plan_as_asked(engine)
        return cls(engine)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commit at the end of the block, roll back on an exception; followers run after the commit."""
        with _translated():
            async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
                tx = Transaction(session)
                yield tx
        await tx.run_followers()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[AsyncConnection]:
        """A connection in autocommit: one round trip a statement. For reads only."""
        with _translated():
            async with self._reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def driver(self, *, fresh_plans: bool = True) -> AsyncIterator[Driver]:
        """A connection beneath SQLAlchemy, in autocommit: a third of the cost, for the hottest reads.

        Without ``fresh_plans`` PostgreSQL keeps the plan of a statement: for what goes by keys.
        """
        with _translated():
            pooled = await self.engine.raw_connection()
            driver: Driver = pooled.driver_connection  # type: ignore[assignment]
            try:
                mode = _FRESH_PLANS if fresh_plans else _KEPT_PLANS
                if pooled.info.get(_PLAN_MODE, _KEPT_PLANS) != mode:
                    await driver.execute(f"set {_PLAN_MODE} = {mode}")
                    pooled.info[_PLAN_MODE] = mode
                yield driver
            finally:
                if driver.is_closed():
                    pooled.invalidate()
                pooled.close()

    async def scalar(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row of one reading statement."""
        async with self.reader() as connection:
            return (await connection.execute(text(sql), parameters or {})).scalar()

    def note_figures(self) -> None:
        """Write down for the metrics how busy the pool is."""
        pool = self.engine.pool
        if isinstance(pool, CountedPool):
            pool.note_figures()

    async def close(self) -> None:
        await self.engine.dispose()


class _translated:  # noqa: N801  # used like a keyword
    """Turn what the block cannot help into the three exceptions above."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and _is_about_a_value(error):
            # neither the message nor the parameters: they hold what people sent
            statement = getattr(error, "statement", None)
            _log.warning("database.value_refused", sqlstate=_state_of(error), statement=statement)
            raise UnstorableValue from error
        if error is not None and is_connection_fault(error):
            raise DatabaseUnavailable(type(error).__name__) from error
        if isinstance(error, exc.IntegrityError) and _state_of(error) == _NO_SUCH_REFERENCE:
            raise ReferenceGone from error


_NO_SUCH_REFERENCE = "23503"  # no row of ours is deleted while others refer to it without a cascade
_UNSTORABLE_STATES = (
    "22",  # data exceptions: out of range, no such instant, division by zero, no text of this encoding…
    "23514",  # a CHECK constraint forbids it
)
_UNAVAILABLE_STATES = (
    "08",  # connection exceptions
    "28",  # the role is refused
    "3D000",  # the database is gone
    "53",  # insufficient resources
    "57",  # operator intervention: shutdown, crash, cancelled by timeout
    "55P03",  # lock not available
    "25006",  # read-only after a failover
    "25P03",  # idle in transaction for too long
    "40001",  # serialization failure
    "40P01",  # deadlock
)


def _is_about_a_value(error: BaseException) -> bool:
    """True where a value is to blame, also one that asyncpg could not even send."""
    if isinstance(error, asyncpg.InterfaceError):
        return isinstance(error, ValueError)
    return _state_of(error).startswith(_UNSTORABLE_STATES)


def is_connection_fault(error: BaseException) -> bool:
    """True for faults that say nothing of the statement: the same work may succeed later."""
    if isinstance(error, exc.TimeoutError | exc.InterfaceError | ConnectionError | TimeoutError):
        return True
    if isinstance(error, exc.DBAPIError):
        if error.connection_invalidated:
            return True
        return _is_passing(error.orig)
    if isinstance(error, _Dbapi.Error):  # SQLAlchemy's own layer, where it hands out a bare connection
        return isinstance(error, _Dbapi.InterfaceError) or _is_passing(error)
    if isinstance(error, asyncpg.PostgresError):  # of COPY, which runs beneath SQLAlchemy
        return _is_passing(error)
    if isinstance(error, asyncpg.InterfaceError):
        return not _is_about_a_value(error)
    if type(error) is asyncpg.InternalClientError:  # used while it was being told that it is cut
        return True
    # a path in it says that the fault is of a file; one of a socket has none
    return isinstance(error, OSError) and error.filename is None


def _is_passing(error: BaseException | None) -> bool:
    return _state(error).startswith(_UNAVAILABLE_STATES)


def _state(error: BaseException | None) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _state_of(error: BaseException) -> str:
    """The SQLSTATE of an error of any layer: SQLAlchemy's own wraps that of the driver."""
    return _state(error.orig if isinstance(error, exc.DBAPIError) else error)


def _ping_after_idle(engine: AsyncEngine) -> None:
    """Like ``pool_pre_ping``, without its round trip for a connection that was just in use."""

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


def _plan_as_asked(engine: AsyncEngine) -> None:
    """Before a connection is used: the plan mode of its kind, where the last user had the other."""

    @event.listens_for(engine.sync_engine, "engine_connect")
    def _set(connection: Connection) -> None:
        mode = connection.get_execution_options().get("plan_mode", _KEPT_PLANS)
        pooled = connection.connection
        if pooled.info.get(_PLAN_MODE, _KEPT_PLANS) != mode:
            adapted: Any = pooled.dbapi_connection
            try:  # on the driver itself: the adapter would begin a transaction for it
                adapted.run_async(lambda driver: driver.execute(f"set {_PLAN_MODE} = {mode}"))
            except BaseException:
                pooled.invalidate()
                raise
            pooled.info[_PLAN_MODE] = mode


async def wait_until_ready(database: Database, *, seconds: float) -> None:
    """Return when PostgreSQL answers, or raise :class:`DatabaseUnavailable` after ``seconds``."""
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
