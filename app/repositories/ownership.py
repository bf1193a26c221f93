"""What belongs to an account, table by table: what an export shows of it, and how it is erased."""

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
    """``section`` names it in the export; None: nothing there that means anything to its owner.

    ``by`` is the column of the owner, or of a row of ``parent`` that has one. ``secret`` columns stay out.
    """

    section: str | None
    by: str = "user_id"
    parent: str | None = None
    secret: frozenset[str] = frozenset()


# A table with a way to ``users`` that is missing here fails a test.
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

# Rows that one statement erases; a long list in one statement would meet the time limit of statements.
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


# What is erased before the row of the account, which takes the rest with it; each statement is repeated until
# nothing is left. Imports go before jobs: who works on an import holds it before its job.
ERASED: tuple[TextClause, ...] = (
    *(_erasure_of(name) for name, owned in OWNED.items() if owned.by == "user_id"),
    text(_JOBS),
)


def _export_of(name: str, owned: Owned) -> Select[Any]:
    """Each row as the text of a JSON object, which PostgreSQL makes."""
    table = Base.metadata.tables[name]
    shown = [pair for column in columns_shown(name) for pair in _told(column)]
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
    """The columns of a table of :data:`OWNED` that the export tells."""
    return [column for column in Base.metadata.tables[name].columns if _is_shown(column, OWNED[name])]


def _is_shown(column: "Column[Any]", owned: Owned) -> bool:
    """Bytes are no text: a file that was sent is the person's already, the others are hashes."""
    hidden = column.name in owned.secret or column.name in {"user_id", "owner_id"}
    return not hidden and not isinstance(column.type, LargeBinary)


def _told(column: "Column[Any]") -> tuple[ColumnElement[str], ColumnElement[Any]]:
    """The name and the value; instants are of the form that the API has everywhere."""
    name: ColumnElement[str] = literal_column(f"'{column.name}'")
    if isinstance(column.type, DateTime):
        return name, func.to_char(column, literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""))
    return name, column


EXPORTED: dict[str, Select[Any]] = {
    owned.section: _export_of(name, owned) for name, owned in OWNED.items() if owned.section is not None
}
