"""Every table with user data declares its export and erasure."""

from collections.abc import Iterator

from sqlalchemy import ForeignKeyConstraint, LargeBinary

from app.models import Base
from app.repositories.ownership import ERASED, EXPORTED, OWNED, columns_shown

# Tables that refer to an account without being its property.
_SHARED: set[str] = set()
_SECRETS = {"hash", "secret", "token", "lease"}


def _owned_tables() -> set[str]:
    """The tables that reference ``users`` through any number of cascading foreign keys."""
    found = {"users"}
    while True:
        more = {name for name, to in _references() if to in found} - found
        if not more:
            return found
        found |= more


def _references() -> Iterator[tuple[str, str]]:
    for table in Base.metadata.sorted_tables:
        for constraint in table.constraints:
            if isinstance(constraint, ForeignKeyConstraint):
                yield table.name, constraint.referred_table.name


def test_every_owned_table_is_in_the_plan() -> None:
    assert _owned_tables() - _SHARED == set(OWNED), "say in app/repositories/ownership.py what becomes of it"


def test_owned_rows_are_erased_with_their_owner() -> None:
    explicit = " ".join(str(statement) for statement in ERASED)
    for table in Base.metadata.sorted_tables:
        for constraint in table.constraints:
            if not isinstance(constraint, ForeignKeyConstraint) or table.name not in OWNED:
                continue
            if constraint.referred_table.name in OWNED:
                erased = constraint.ondelete == "CASCADE" or f"delete from {table.name} " in explicit
                assert erased, f"{table.name} stays when {constraint.referred_table.name} goes"


def test_no_secret_is_exported() -> None:
    for name, owned in OWNED.items():
        if owned.section is None:
            continue
        shown = [column.name for column in columns_shown(name)]
        assert shown, name
        assert not [column for column in shown if _SECRETS & set(column.split("_"))], name


def test_no_bytes_are_exported() -> None:
    """Bytes have no JSON form other than Python's notation."""
    for name in OWNED:
        assert not [column for column in columns_shown(name) if isinstance(column.type, LargeBinary)]


def test_sections_are_distinct() -> None:
    assert len(EXPORTED) == len([owned for owned in OWNED.values() if owned.section])
