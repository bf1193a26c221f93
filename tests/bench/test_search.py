"""Search quality: 620 labelled queries in 18 classes, on the real catalogue."""

import sys

import httpx
import pytest

from tests.bench.search import measure

pytestmark = pytest.mark.bench


async def test_searches_find_the_intended_titles(real: httpx.AsyncClient) -> None:
    found = await measure(real)
    sys.stderr.write("\n".join(["", *found.lines(), ""]))
    assert found.asked.total() >= 500
    assert found.share(found.first) >= 0.93
    assert found.share(found.among_five) >= 0.985
    for name, number in found.asked.items():
        assert found.among_five[name] / number >= 0.95, name
