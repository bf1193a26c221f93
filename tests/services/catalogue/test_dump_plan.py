"""Importing dumps: properties for any rows in any order."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.utils.db.database import Database
from tests.factories.dumps import own_row
from tests.services.importer import Importer

PROPERTY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
DATES = [None, "2025-01-01", "2026-01-01"]

said = st.fixed_dictionaries(
    {},
    optional={
        "episodes": st.integers(1, 3),
        "year": st.integers(2001, 2003),
        "genres": st.lists(st.sampled_from(["A", "B"]), min_size=1, max_size=2),
        "synonyms": st.lists(st.sampled_from(["x", "y"]), min_size=1, max_size=2),
        "score": st.sampled_from([5, 6.5]),
        "scored_by": st.integers(1, 2),
    },
)


@st.composite
def tangled_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows whose ids agree or conflict at random."""
    few = st.none() | st.integers(1, 4)
    return [
        own_row(draw(few), anilist_id=draw(few), title=draw(st.sampled_from("TU")), **draw(said))
        for _ in range(draw(st.integers(1, 6)))
    ]


@st.composite
def consistent_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Each title once, by either id or both, without conflicts between rows."""
    rows = []
    for number in draw(st.permutations([1, 2, 3, 4])):
        mal_id, anilist_id = draw(
            st.sampled_from([(number, None), (None, number + 10), (number, number + 10)])
        )
        rows.append(
            own_row(
                mal_id, anilist_id=anilist_id, title=f"{number}{draw(st.sampled_from('TU'))}", **draw(said)
            )
        )
    return rows[: draw(st.integers(1, 4))]


@pytest.fixture
def load(database: Database, tmp_path: Path) -> Importer:
    return Importer(database, tmp_path)


async def empty(load: Importer, chunk: int) -> Importer:
    await load.execute("truncate anime, genres, studios restart identity cascade")
    return Importer(load.database, load.folder, chunk=chunk)


@PROPERTY
@example(
    files=[([own_row(None, anilist_id=1, year=2001), own_row(1, anilist_id=1, year=2002)], None)], chunk=1
)
@given(
    files=st.lists(st.tuples(tangled_rows(), st.sampled_from(DATES)), min_size=1, max_size=3),
    chunk=st.integers(1, 6),
)
async def test_importing_a_file_twice_is_idempotent(
    load: Importer, files: list[tuple[list[dict[str, Any]], str | None]], chunk: int
) -> None:
    load = await empty(load, chunk)
    for rows, dated in files:
        done = await load(*rows, dated=dated)
        assert sum(done) == len(rows)
        assert done[3] == len(load.faults)
    before, content = await load.traces(), await load.rows()

    rows, dated = files[-1]
    again = await load(*rows, dated=dated)

    assert again[:2] == (0, 0)
    assert sum(again) == len(rows)
    assert await load.traces() == before
    assert await load.rows() == content


@PROPERTY
@example(
    rows=[own_row(1, year=2001), own_row(None, anilist_id=1, year=2002), own_row(1, anilist_id=1, year=2003)],
    chunk=2,
)
@given(rows=tangled_rows(), chunk=st.integers(1, 3))
async def test_the_size_of_a_chunk_does_not_matter(
    load: Importer, rows: list[dict[str, Any]], chunk: int
) -> None:
    contents = []
    for size in (chunk, 100):
        load = await empty(load, size)
        await load(*rows)
        contents.append(await load.rows())

    assert contents[0] == contents[1]


@PROPERTY
@given(
    rows=consistent_rows(),
    before=consistent_rows(),
    dates=st.tuples(st.sampled_from(DATES), st.sampled_from(DATES)),
    chunks=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    data=st.data(),
)
async def test_the_order_of_rows_does_not_matter(
    load: Importer,
    rows: list[dict[str, Any]],
    before: list[dict[str, Any]],
    dates: tuple[str | None, str | None],
    chunks: tuple[int, int],
    data: st.DataObject,
) -> None:
    shuffled = data.draw(st.permutations(rows))
    contents = []
    for order, chunk in zip((rows, shuffled), chunks, strict=True):
        load = await empty(load, chunk)
        await load(*before, dated=dates[0])
        await load(*order, dated=dates[1])
        contents.append(await load.rows())

    assert contents[0] == contents[1]


@PROPERTY
@given(old=consistent_rows(), new=consistent_rows(), chunks=st.tuples(st.integers(1, 4), st.integers(1, 4)))
async def test_the_order_of_two_dated_dumps_does_not_matter(
    load: Importer, old: list[dict[str, Any]], new: list[dict[str, Any]], chunks: tuple[int, int]
) -> None:
    files: Sequence[tuple[list[dict[str, Any]], str]] = [(old, "2025-01-01"), (new, "2026-01-01")]
    contents = []
    for order, chunk in zip((files, files[::-1]), chunks, strict=True):
        load = await empty(load, chunk)
        for rows, dated in order:
            await load(*rows, dated=dated)
        contents.append(await load.rows())

    assert undated(contents[0]) == undated(contents[1])


def undated(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "dumped_on"} for row in rows]
