"""CSV that is safe to open in a spreadsheet: no cell is taken for a formula."""

import csv
from collections.abc import Iterable
from io import StringIO
from typing import Any

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # first bytes of a file; without it Excel does not recognise UTF-8

_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")


def write_rows(rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows as UTF-8 CSV; text that starts like a formula is prefixed with an apostrophe."""
    out = StringIO()
    csv.writer(out).writerows([_escape_formula(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def _escape_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_PREFIXES) else cell
