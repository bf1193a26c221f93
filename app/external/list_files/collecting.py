"""Map rows one by one, so that a bad row is reported and skipped alone."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from app.errors import PayloadTooLarge
from app.external.list_files.details import MAX_TITLE_LENGTH
from app.external.list_files.kinds import KindNotStated, UnknownKind
from app.external.list_files.readable import readable
from app.schemas.domain.lists import BadRow, ListedRow, ListFile
from app.utils.text.cleaning import clean_text

_MOST_ROWS = 50_000
_TITLE_KEYS = (
    "target_title", "anime_title", "manga_title", "title", "name", "userPreferred", "romaji", "english",
    "native", "canonicalTitle", "target_title_ru", "russian",
)  # fmt: skip
_NESTED_KEYS = ("media", "node", "anime", "manga", "title", "attributes")

Row = TypeVar("Row")


def collected(
    source: str,
    rows: Iterable[Row],
    mapped: Callable[[int, Row], ListedRow],
    *,
    title: Callable[[Row], str | None] | None = None,
) -> ListFile:
    """Map all rows; those that ``mapped`` rejects are listed with the reason.

    ``title`` finds the title of a rejected row; by default in the usual keys of the row itself.
    Raises :class:`UnknownKind` if no row could be read because none states its kind.
    """
    found, title = ListFile(source), title or title_of
    without_kind = 0
    for line, row in enumerate(rows, 1):
        refuse_above(line)
        try:
            found.rows.append(mapped(line, row))
        except ValueError as error:
            without_kind += isinstance(error, KindNotStated)
            found.bad.append(BadRow(line, title(row), str(error)))
        except (AttributeError, KeyError, TypeError, IndexError):
            found.bad.append(BadRow(line, title(row), "the row does not have this service's format"))
    if without_kind and not found.rows:
        raise UnknownKind
    return found


def refuse_above(line: int) -> None:
    """Raise ``PayloadTooLarge`` beyond the maximum number of rows."""
    if line > _MOST_ROWS:
        raise PayloadTooLarge(f"The list has more than {_MOST_ROWS:,} entries.")


def title_of(row: Any, *, depth: int = 3) -> str | None:
    """A title for the report, from any of the usual keys up to ``depth`` objects deep."""
    if not isinstance(row, Mapping) or not depth:
        return None
    for name in _TITLE_KEYS:
        if isinstance(row.get(name), str) and (text := clean_text(row[name][: 2 * MAX_TITLE_LENGTH])):
            return readable(text)[:MAX_TITLE_LENGTH]
    nested = (title_of(row.get(name), depth=depth - 1) for name in _NESTED_KEYS)
    return next((title for title in nested if title), None)
