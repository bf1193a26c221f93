"""Rows of CSV that a spreadsheet takes for nothing but text and numbers."""

import csv
from collections.abc import Iterable
from io import StringIO
from typing import Any

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # begins a file; without it a spreadsheet takes UTF-8 for an old code page

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_rows(rows: Iterable[Iterable[Any]]) -> bytes:
    """CSV as UTF-8; a text that begins like a formula gets an apostrophe, which spreadsheets do not show."""
    out = StringIO()
    csv.writer(out).writerows([_inert(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def _inert(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_BEGINS_A_FORMULA) else cell
