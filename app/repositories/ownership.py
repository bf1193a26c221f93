"""The tables with data of an account: which columns an export includes, and how they are erased."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    LargeBinary,
    Select,
    Text,
    TextClause,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    text,
)

from app.models import Base

_USER_ID: Any = bindparam("user_id")


@dataclass(frozen=True)
class Owned:
    """``section`` is the table's name in the export; None leaves it out, as meaningless to the user.

    ``by`` is the column with the user id, or the reference to the row of ``parent`` that has it. ``secret``
    columns are not exported.
    """

    section: str | None
    by: str = "user_id"
    parent: str | None = None
    secret: frozenset[str] = frozenset()


# A test fails if a table that references ``users``, directly or not, is missing here.
OWNED: dict[str, Owned] = {
    "users": Owned("account", by="id", secret=frozenset({"password_hash"})),
    "sessions": Owned("sessions", secret=frozenset({"refresh_hash", "spent_hash", "spent_at"})),
    "api_tokens": Owned("api_tokens", secret=frozenset({"token_hash"})),
    "password_resets": Owned(None),
    "known_addresses": Owned("known_addresses"),
    "jobs": Owned("jobs", by="owner_id", secret=frozenset({"lease_token", "lease_until"})),
    "entries": Owned("list"),
    "entry_tombstones": Owned("list_deletions"),
    "entry_changes": Owned("list_history"),
    "activity_days": Owned("activity_days"),
    "favorites": Owned("favorites"),
    "ignored_recommendations": Owned("ignored_recommendations"),
    "watch_progress": Owned("watch_progress"),
    "views": Owned("views"),
    "collections": Owned("collections", secret=frozenset({"share_hash"})),
    "collection_items": Owned("collection_items", by="collection_id", parent="collections"),
    "imports": Owned("imports"),
    "import_reports": Owned("import_reports", by="job_id", parent="imports"),
    "idempotency_keys": Owned(None),
    "service_links": Owned("connections"),
    "sync_snapshots": Owned("sync_snapshots"),
    "sync_conflicts": Owned("sync_conflicts"),
    "oauth_states": Owned(None),
}

# Rows per statement; deleting a long list in one statement would exceed the statement timeout.
ERASED_AT_ONCE = 2000

_JOBS = """
delete from jobs where id = any(array(
    select id from jobs
    where owner_id = :user_id or kind = 'accounts.mail' and arguments ->> 'user_id' = cast(:user_id as text)
    limit :limit))
"""


def _erasure_of(name: str) -> TextClause:
    own = f"select ctid from {name} where user_id = :user_id limit :limit"
    return text(f"delete from {name} where ctid = any(array({own}))")


# Deleted before the row of the account, which cascades to the rest; each statement is repeated until nothing
# is left. Imports before jobs, the order in which a running import locks them.
ERASED: tuple[TextClause, ...] = (
    *(_erasure_of(name) for name, owned in OWNED.items() if owned.by == "user_id"),
    text(_JOBS),
)


def _export_of(name: str, owned: Owned) -> Select[Any]:
    """A query of the rows as JSON objects in text form."""
    table = Base.metadata.tables[name]
    shown = [pair for column in columns_shown(name) for pair in _key_and_value(column)]
    owner = table.c[owned.by]
    if owned.parent is None:
        mine = owner == _USER_ID
    else:
        parent = Base.metadata.tables[owned.parent]
        key = next(iter(owner.foreign_keys)).column
        mine = owner.in_(select(key).where(parent.c[OWNED[owned.parent].by] == _USER_ID))
    row = cast(func.json_build_object(*shown), Text)
    return select(row).where(mine).order_by(*table.primary_key.columns)


def columns_shown(name: str) -> "list[Column[Any]]":
    """The exported columns of a table of :data:`OWNED`."""
    return [column for column in Base.metadata.tables[name].columns if _is_shown(column, OWNED[name])]


def _is_shown(column: "Column[Any]", owned: Owned) -> bool:
    """Whether the column is bytes: not exported, since these are hashes or the user's own upload."""
    hidden = column.name in owned.secret or column.name in {"user_id", "owner_id"}
    return not hidden and not isinstance(column.type, LargeBinary)


def _key_and_value(column: "Column[Any]") -> tuple[ColumnElement[str], ColumnElement[Any]]:
    """SQL for the column's name and value; timestamps are in the format of the API."""
    name: ColumnElement[str] = literal_column(f"'{column.name}'")
    if isinstance(column.type, DateTime):
        return name, func.to_char(column, literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""))
    return name, column


EXPORTED: dict[str, Select[Any]] = {
    owned.section: _export_of(name, owned) for name, owned in OWNED.items() if owned.section is not None
}
