"""Importing the real catalogue, and large dumps in little memory."""

import asyncio
import gzip
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.services.catalogue.dumps import DumpService
from app.utils.db.database import Database
from tests.factories import dumps
from tests.factories.dumps import offline_row, own_row
from tests.services.importer import Importer, counts

ROWS = 32_585
SHARED_IDS = 15  # AniList ids that two titles of MAL claim; the first keeps them
STATUSES = {
    None: None,
    "Finished Airing": "finished",
    "Cancelled": "finished",
    "Currently Airing": "airing",
    "Not yet aired": "upcoming",
}
RATINGS = {
    "g": "G - All Ages",
    "pg": "PG - Children",
    "pg_13": "PG-13 - Teens 13 or older",
    "r": "R - 17+ (violence & profanity)",
    "r+": "R+ - Mild Nudity",
    "rx": "Rx - Hentai",
}
SEASONS = ("winter", "spring", "summer", "fall")
NO_PICTURE = ("/apple-touch-icon-256.png", "/cover/medium/default.jpg")
NAMES = ("title", "title_english", "title_japanese", "title_russian")
AS_THEY_ARE = (
    *NAMES, "type", "year", "episodes", "members", "rank", "popularity", "scored_by", "aired_from",
    "aired_to",
)  # fmt: skip


def expected(row: dict[str, Any]) -> dict[str, Any]:
    kinds = (("genres", "genre"), ("themes", "theme"), ("demographics", "demographic"))
    return {
        **{name: row[name] for name in AS_THEY_ARE},
        "mal_id": row["mal_id"],
        "synonyms": [name for name in row["synonyms"] if name not in [row[key] for key in NAMES]],
        "season": season(row),
        "image_url": None if (row["image_url"] or "").endswith(NO_PICTURE) else row["image_url"],
        "status": STATUSES[row["status"]],
        "score": row["score"] and round(row["score"], 2),
        "rating": RATINGS.get(row["rating"], row["rating"]),
        "is_adult": row["nsfw"],
        "synopsis": row["synopsis"] and row["synopsis"].strip(),
        "tags": [f"{kind}:{name}" for key, kind in kinds for name in row[key]] or None,
    }


def season(row: dict[str, Any]) -> str | None:
    """The season of the row, otherwise that of its date if it is of the same year."""
    aired = row["aired_from"] or ""
    if row["season"] or len(aired) < 7 or int(aired[:4]) != row["year"]:
        season: str | None = row["season"]
        return season
    return SEASONS[(int(aired[5:7]) - 1) // 3]


def key(row: dict[str, Any]) -> tuple[str, int]:
    return ("mal", row["mal_id"]) if row["mal_id"] else ("anilist", row["anilist_id"])


async def test_the_real_catalogue_is_imported_completely_and_once(
    database: Database, shared: Path, tmp_path: Path
) -> None:
    path = shared / "datasets" / "catalogue.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        theirs = {key(row): row for row in map(json.loads, file)}
    load = Importer(database, tmp_path)

    first = await DumpService(database).run(path)

    assert counts(first) == (ROWS, 0, 0, 0, 0)
    ours = {key(row): row for row in await load.rows()}
    assert ours.keys() == theirs.keys()
    for found, row in theirs.items():
        wanted = expected(row)
        assert {name: ours[found][name] for name in wanted} == wanted
    assert_the_rest(list(ours.values()), list(theirs.values()))
    before = await load.traces()

    second = await DumpService(database).run(path)

    assert counts(second) == (0, 0, ROWS, 0, 0)
    assert await load.traces() == before


def assert_the_rest(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """Fields that are not equal literally: durations, sources, studios in two spellings, shared ids."""
    told = sum(row["anilist_id"] is not None for row in theirs)
    assert sum(row["anilist_id"] is not None for row in ours) == told - SHARED_IDS
    named = [row for row in theirs if row["duration"] not in (None, 0, "Unknown")]
    assert sum(row["duration_minutes"] is not None for row in ours) == len(named)
    bebop = next(row for row in ours if row["mal_id"] == 1)
    assert (bebop["duration_minutes"], bebop["source"]) == (24.0, "Original")
    film = next(row for row in ours if row["mal_id"] == 5)
    assert film["duration_minutes"] == 115.0
    sources = Counter(row["source"] for row in ours)
    assert "Source inconnue" not in sources
    assert sources["4-koma manga"] == sum("koma" in (row["source_material"] or "") for row in theirs)
    studios = sum(len({studio.strip().lower() for studio in row["studios"]}) for row in theirs)
    assert sum(len(row["studios"] or ()) for row in ours) == studios


# ru_maxrss would begin with the size of the process that started this one
PROGRAM = """
import asyncio, re, sys
from pathlib import Path
from app.services.catalogue.dumps import DumpService
from app.utils.db.database import Database
from app.utils.processes.heap import collect_as_usual

async def main(url, path):
    collect_as_usual()  # as the command does
    database = Database.connect(url)
    summary = await DumpService(database).run(Path(path))
    await database.close()
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
    print(summary.added, int(peak) * 1024)

asyncio.run(main(*sys.argv[1:]))
"""
ALLOWANCE = 16 * 1024 * 1024


async def peak(database: Database, path: Path) -> tuple[int, int]:
    """The titles added by a separate process, and its peak memory."""
    url = database.engine.url.render_as_string(hide_password=False)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, url, str(path),
        cwd=Path(__file__).parents[3], stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    added, most = output.split()
    return int(added), int(most)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process by itself")
@pytest.mark.parametrize("form", ["lines", "document"])
async def test_memory_does_not_grow_with_the_file(database: Database, tmp_path: Path, form: str) -> None:
    def write(first: int, count: int) -> Path:
        numbers = range(first, first + count)
        synopsis = "A town, and wind in it. " * 100
        if form == "lines":
            rows = [own_row(number, synopsis=f"{number} {synopsis}") for number in numbers]
            return dumps.write(tmp_path, f"{first}.jsonl.gz", dumps.lines(rows))
        rows = [offline_row(number, relatedAnime=[f"{number} {synopsis}"]) for number in numbers]
        return dumps.write(tmp_path, f"{first}.json.zst", dumps.document(rows))

    small, large = await peak(database, write(1, 5000)), await peak(database, write(10_001, 20_000))

    assert (small[0], large[0]) == (5000, 20_000)
    assert large[1] - small[1] < ALLOWANCE
