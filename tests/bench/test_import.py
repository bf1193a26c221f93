"""An import is at least half as fast as a bare COPY of the same rows in the same run."""

from pathlib import Path

import pytest

from app.utils.db.database import Database
from tests.bench.imports import compare, dump_file, table

pytestmark = [pytest.mark.bench, pytest.mark.xdist_group("bench")]


async def test_an_import_is_at_least_half_as_fast_as_a_bare_copy(database: Database, tmp_path: Path) -> None:
    outcome = await compare(database, dump_file(tmp_path, rows=6000), rounds=3)

    assert outcome.speed >= 0.5, table(outcome)
    assert outcome.second.cpu < outcome.first.cpu, table(outcome)
