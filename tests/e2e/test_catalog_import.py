"""`anisync catalog import` as a process: output, exit codes, and a kill."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.utils.db.database import Database
from tests.factories import dumps
from tests.factories.dumps import own_row
from tests.fixtures.processes import ROOT

pytestmark = [pytest.mark.fault]


@pytest.fixture
def given(settings: Settings, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": settings.database,
        "REDIS_URL": settings.redis,
        "SECRET_KEY": settings.secret,
        "ANISYNC_HOME": str(tmp_path / "home"),
    }


async def start(given: dict[str, str], path: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.cli", "catalog", "import", str(path), env=given, stdout=PIPE, stderr=PIPE
    )


async def run(given: dict[str, str], path: Path) -> tuple[int, list[str], list[str]]:
    """The exit code, the lines of stdout, those of stderr."""
    program = await start(given, path)
    out, err = await program.communicate()
    assert program.returncode is not None
    return program.returncode, out.decode().splitlines(), err.decode().splitlines()


def whole(number: int) -> dict[str, Any]:
    return own_row(number, genres=["Drama"], studios=[f"Studio {number % 50}"], synopsis="wind " * 200)


async def test_it_ends_with_the_counts_and_names_bad_rows(given: dict[str, str], tmp_path: Path) -> None:
    rows = [whole(1), b"{", {"title": "nameless"}, whole(2)]
    path = dumps.write(tmp_path, "dump.jsonl.gz", dumps.lines(rows))

    code, out, err = await run(given, path)

    assert (code, out) == (0, ["added 2, updated 0, unchanged 0, skipped 1, failed 1"])
    assert [line.partition(" ")[2][:2] for line in err] == ["2:", "3:"]
    assert "not JSON" in err[0]
    assert "neither mal_id nor anilist_id" in err[1]
    assert (await run(given, path))[1] == ["added 0, updated 0, unchanged 2, skipped 1, failed 1"]


async def test_a_file_that_cannot_be_read_ends_with_two(given: dict[str, str], tmp_path: Path) -> None:
    code, out, err = await run(given, tmp_path / "absent.json")

    assert (code, out[-1]) == (2, "added 0, updated 0, unchanged 0, skipped 0, failed 0")
    assert len(err) == 1
    assert "absent.json" in err[0]


async def test_a_killed_import_leaves_whole_titles_and_is_completed(
    given: dict[str, str], tmp_path: Path, database: Database
) -> None:
    count = 20_000
    path = dumps.write(tmp_path, "dump.jsonl", dumps.lines(whole(number) for number in range(1, count + 1)))
    program = await start(given, path)
    while not (stored := await database.scalar("select count(*) from anime")):
        assert program.returncode is None
        await asyncio.sleep(0.01)

    program.send_signal(signal.SIGKILL)
    await program.communicate()

    assert 0 < stored < count
    torn = (
        "select count(*) from anime where cardinality(tag_ids) <> 1 or not exists"
        " (select from studios where studios.id = anime.studio_ids[1])"
    )
    assert await database.scalar(torn) == 0
    code, out, _ = await run(given, path)
    done = [int(word) for word in out[-1].replace(",", "").split() if word.isdigit()]
    assert (code, done[0] + done[2], done[1], done[3:]) == (0, count, 0, [0, 0])
    assert done[2] >= stored
    assert await database.scalar("select count(*) from anime") == count
