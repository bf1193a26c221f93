"""What belongs to an account, table by table: what an export shows of it, and how it is erased."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Select, TextClause, bindparam, select, text

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
    "watch_progress": Owned("watch_progress"),
    "views": Owned("views"),
    "collections": Owned("collections", secret=frozenset({"share_hash"})),
    "collection_items": Owned("collection_items", by="collection_id", parent="collections"),
    "imports": Owned("imports"),
    "idempotency_keys": Owned(None),
}

# What deleting the row of the account does not take with it.
ERASED: tuple[TextClause, ...] = (
    text(
        "delete from jobs where owner_id = :user_id "
        "or kind = 'accounts.mail' and arguments ->> 'user_id' = cast(:user_id as text)"
    ),
)


def _export_of(name: str, owned: Owned) -> Select[Any]:
    table = Base.metadata.tables[name]
    shown = [column for column in table.columns if _is_shown(column, owned)]
    owner = table.c[owned.by]
    if owned.parent is None:
        mine = owner == _USER_ID
    else:
        parent = Base.metadata.tables[owned.parent]
        mine = owner.in_(select(parent.c.id).where(parent.c[OWNED[owned.parent].by] == _USER_ID))
    return select(*shown).where(mine).order_by(*table.primary_key.columns)


def _is_shown(column: "Column[Any]", owned: Owned) -> bool:
    return column.name not in owned.secret and column.name not in {"user_id", "owner_id"}


EXPORTED: dict[str, Select[Any]] = {
    owned.section: _export_of(name, owned) for name, owned in OWNED.items() if owned.section is not None
}
