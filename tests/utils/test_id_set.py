"""Sparse sets of ids."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from app.utils.id_set import IdSet


@given(
    added=st.sets(st.integers(0, 2**31 - 1) | st.integers(0, 20_000)), asked=st.lists(st.integers(0, 20_000))
)
def test_it_contains_exactly_the_added_ids(added: set[int], asked: list[int]) -> None:
    numbers = IdSet()
    for number in added:
        numbers.add(number)

    assert all(number in numbers for number in added)
    assert [number in numbers for number in asked] == [number in added for number in asked]
    assert None not in numbers


def test_dense_ids_take_little_memory() -> None:
    tracemalloc.start()
    try:
        numbers = IdSet()
        for number in range(300_000):
            numbers.add(number)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 299_999 in numbers
    assert taken < 100_000
