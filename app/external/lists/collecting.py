"""Rows one by one, so that a bad one is named and lost alone."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from app.errors import PayloadTooLarge
from app.schemas.domain.lists import BadRow, ListedRow, ListFile

_MOST_ROWS = 50_000

Row = TypeVar("Row")


def collected(source: str, rows: Iterable[Row], mapped: Callable[[int, Row], ListedRow]) -> ListFile:
    """The file with every row that ``mapped`` could read; the others with its reason."""
    found = ListFile(source)
    for line, row in enumerate(rows, 1):
        refuse_above(line)
        try:
            found.rows.append(mapped(line, row))
        except ValueError as error:
            found.bad.append(BadRow(line, _title(row), str(error)))
        except (AttributeError, KeyError, TypeError, IndexError):
            found.bad.append(BadRow(line, _title(row), "the row does not have the shape of this service"))
    return found


def refuse_above(line: int) -> None:
    """Raise ``PayloadTooLarge`` where a file has more rows than anybody's list."""
    if line > _MOST_ROWS:
        raise PayloadTooLarge(f"The list has more than {_MOST_ROWS:,} entries.")


def _title(row: Any) -> str | None:
    """Any title that a broken row may have, for the report."""
    known = ("target_title", "anime_title", "manga_title", "title", "name")
    if not isinstance(row, Mapping):
        return None
    return next((str(row[name])[:500] for name in known if isinstance(row.get(name), str)), None)
