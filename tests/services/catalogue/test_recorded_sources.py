"""The real catalogue merged with Jikan's recordings: nothing from the dump is lost."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from app.external.jikan.mapping import map_anime
from app.schemas.domain.anime import UpstreamAnime
from app.schemas.domain.catalogue import PageSpec
from app.services.catalogue.anime import AnimeService
from app.utils.db.database import Database
from tests.external.jikan.test_recorded import ALL
from tests.services.importer import Importer

NAMES = ("title", "title_english", "title_japanese", "title_russian")
LATEST = {body["mal_id"]: map_anime(body) for body in (parameter.values[0] for parameter in ALL)}


@pytest.fixture
async def load(database: Database, shared: Path, tmp_path: Path) -> Importer:
    """Store the titles of the real catalogue that have Jikan recordings."""
    load = Importer(database, tmp_path, chunk=100)
    with gzip.open(shared / "datasets" / "catalogue.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in map(json.loads, file) if row["mal_id"] in LATEST]
    await load(*rows)
    assert len(rows) > 100
    return load


async def stored(load: Importer) -> dict[int, dict[str, Any]]:
    return {row["mal_id"]: row for row in await load.rows()}


def all_names(row: dict[str, Any]) -> set[str]:
    return {row[key] for key in NAMES if row[key]} | set(row["synonyms"])


async def test_no_names_are_lost(load: Importer) -> None:
    before = await stored(load)
    for _ in range(2):
        await load.sync(*LATEST.values())
        after = await stored(load)
        for mal_id, row in before.items():
            said = LATEST[mal_id]
            of_mal = {getattr(said, key) for key in NAMES if getattr(said, key)} | set(said.synonyms or ())
            assert all_names(after[mal_id]) == all_names(row) | of_mal
            assert after[mal_id]["title"] == said.title
            assert len(after[mal_id]["synonyms"]) == len(set(after[mal_id]["synonyms"]))


async def test_no_value_that_jikan_leaves_out_is_lost(load: Importer) -> None:
    before = await stored(load)
    await load.sync(*LATEST.values())
    after = await stored(load)
    kept = 0
    for mal_id, row in before.items():
        for key, value in row.items():
            if key in NAMES or not hasattr(UpstreamAnime, key) or key in ("synonyms", "tags", "studios"):
                continue
            said = getattr(LATEST[mal_id], key)
            if said is None and value is not None:
                moved = key in ("year", "season") and row["aired_from"] != after[mal_id]["aired_from"]
                assert moved or after[mal_id][key] == value, (mal_id, key)
                kept += 1
            elif said is not None and key != "anilist_id":
                assert after[mal_id][key] == said, (mal_id, key)
    assert kept > 100


async def test_films_have_the_year_and_season_of_their_date(database: Database, tmp_path: Path) -> None:
    load = Importer(database, tmp_path)
    await load.sync(*LATEST.values())
    derived = 0
    for mal_id, row in (await stored(load)).items():
        aired = row["aired_from"]
        if LATEST[mal_id].year is None and aired:
            assert row["year"] == int(aired[:4])
            assert (row["season"] is None) == (len(aired) == 4)
            derived += 1
    assert derived > 30


async def test_titles_found_before_a_refresh_are_found_afterwards(load: Importer) -> None:
    async def publish() -> None:
        raise AssertionError("nothing is added here")

    anime = AnimeService(load.database, publish)
    wanted = next(row for row in (await stored(load)).values() if row["mal_id"] == 9253)
    asked = [name for name in all_names(wanted) if len(name) > 1]
    await load.sync(*LATEST.values())
    for name in asked:
        found = json.loads((await anime.search(name, PageSpec(limit=20))).body)
        assert wanted["mal_id"] in [title["mal_id"] for title in found], name
