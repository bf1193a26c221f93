"""CSV without formulas."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.utils.text.spreadsheet import write_rows

CELLS = st.text("=+-@\t,;\"'\n a1\u3042", max_size=5)


@pytest.mark.parametrize("cell", ["=1+1", '+HYPERLINK("x")', "-2", "@SUM(A1)", "\tx", "\rx"])
def test_formulas_are_escaped(cell: str) -> None:
    [[read, number]] = csv.reader(StringIO(write_rows([[cell, -5]]).decode(), newline=""))
    assert (read, number) == (f"'{cell}", "-5")


@given(st.lists(st.lists(CELLS, min_size=1, max_size=3), max_size=3))
def test_other_cells_are_unchanged(rows: list[list[str]]) -> None:
    read = list(csv.reader(StringIO(write_rows(rows).decode(), newline="")))
    assert [[cell.removeprefix("'") for cell in row] for row in read] == [
        [cell.removeprefix("'") for cell in row] for row in rows
    ]
