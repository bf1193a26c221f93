"""`anisync catalog`: idempotent imports, reported rows, syncs without a worker."""

import gzip
import json
from pathlib import Path

import pytest

from app.utils.db.database import Database
from tests.standin.client import JikanStandin
from tests.test_cli import anisync

ROWS = [
    {"title": f"A title {number}", "type": "TV", "sources": [f"https://myanimelist.net/anime/{number}"]}
    for number in range(1, 4)
]


@pytest.fixture
def given(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": "a secret of tests, longer than 32 bytes",
        "ANISYNC_HOME": str(tmp_path),
    }


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Three titles and an invalid row."""
    path = tmp_path / "dump.jsonl.gz"
    lines = [*(json.dumps(row) for row in ROWS), "no title at all {"]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


async def test_an_import_reports_invalid_rows_and_is_idempotent(
    tmp_path: Path, given: dict[str, str], dump: Path, database: Database
) -> None:
    code, output, errors = await anisync("catalog", "import", str(dump), cwd=tmp_path, **given)
    assert (code, output) == (0, "added 3, updated 0, unchanged 0, skipped 0, failed 1\n")
    assert errors.startswith("line 4: failed: ")
    assert errors.count("\n") == 1
    assert await database.scalar("select count(*) from anime") == 3

    code, output, _ = await anisync("catalog", "import", str(dump), cwd=tmp_path, **given)
    assert (code, output) == (0, "added 0, updated 0, unchanged 3, skipped 0, failed 1\n")


@pytest.mark.parametrize("content", [None, b"\x1f\x8b garbage"])
async def test_an_unreadable_file_is_reported(
    tmp_path: Path, given: dict[str, str], content: bytes | None
) -> None:
    path = tmp_path / "dump.json.gz"
    if content is not None:
        path.write_bytes(content)
    code, output, errors = await anisync("catalog", "import", str(path), cwd=tmp_path, **given)
    assert (code, output) == (2, "added 0, updated 0, unchanged 0, skipped 0, failed 0\n")
    assert errors.startswith("anisync: ")
    assert errors.count("\n") == 1
    assert content is not None or errors == f"anisync: {path}: No such file or directory\n"


async def test_a_missing_file_is_reported_before_any_server_is_started(tmp_path: Path) -> None:
    home = tmp_path / "home"
    code, _, errors = await anisync("catalog", "import", "none.json", cwd=tmp_path, ANISYNC_HOME=str(home))
    assert (code, errors) == (2, "anisync: none.json: No such file or directory\n")
    assert not home.exists()


async def test_a_sync_works_without_a_worker(
    tmp_path: Path, given: dict[str, str], database: Database, jikan_standin: JikanStandin
) -> None:
    given["JIKAN_BASE_URL"] = jikan_standin.base_url
    code, output, _ = await anisync("catalog", "sync", "1", "top", "--limit", "5", cwd=tmp_path, **given)
    assert (code, output) == (0, "anime.sync:1 succeeded\nanime.sync_top:5 succeeded\n")
    assert await database.scalar("select count(*) from anime where mal_id = 1") == 1
    assert await database.scalar("select count(*) from anime") >= 5


async def test_a_failed_sync_is_reported(
    tmp_path: Path, given: dict[str, str], jikan_standin: JikanStandin
) -> None:
    given["JIKAN_BASE_URL"] = jikan_standin.base_url
    jikan_standin.behave("status", status=404)
    code, output, _ = await anisync("catalog", "sync", "999999", cwd=tmp_path, **given)
    assert code == 1
    assert output.startswith("anime.sync:999999 failed: ")


@pytest.mark.parametrize("word", ["all", "-5", "99999999999"])
async def test_invalid_sync_arguments_are_rejected(tmp_path: Path, given: dict[str, str], word: str) -> None:
    code, _, errors = await anisync("catalog", "sync", "--", word, cwd=tmp_path, **given)
    assert code == 2
    assert "neither top, season nor a MyAnimeList id" in errors
