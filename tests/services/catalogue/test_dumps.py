"""Importing dumps: what is stored, kept, counted and reported."""

import asyncio
import json
from datetime import date
from pathlib import Path

import pytest

from app.errors import DumpUnreadable
from app.repositories.catalogue import CatalogueRepository
from app.schemas.domain.anime import UpstreamAnime, UpstreamTag
from app.services.catalogue.dumps import DumpService, Progress
from app.utils.db.database import Database, DatabaseUnavailable
from tests.factories import dumps
from tests.factories.dumps import offline_row, own_row
from tests.services.importer import NOW, Importer, counts


@pytest.fixture
def load(database: Database, tmp_path: Path) -> Importer:
    return Importer(database, tmp_path)


async def test_new_titles_are_stored_with_all_fields(load: Importer) -> None:
    row = own_row(
        1, anilist_id=11, title_russian="Город", synonyms=["W"], type="TV", status="Cancelled", season="fall",
        year=2017, episodes=12, duration="24 min per ep", rating="pg_13", score=8.75, scored_by=9, members=50,
        rank=3, popularity=4, synopsis="S", image_url="https://cdn.example.org/1.jpg", aired_from="2017-10",
        aired_to="2017", source_material="Manga", nsfw=True, genres=["Drama"], themes=["School"],
        demographics=["Josei"], studios=["Paperboat", "Third Window"],
    )  # fmt: skip

    assert await load(row) == (1, 0, 0, 0, 0)

    assert await load.row() == {
        "mal_id": 1, "anilist_id": 11, "title": "Title 1", "title_english": None, "title_japanese": None,
        "title_russian": "Город", "synonyms": ["W"], "type": "TV", "source": "Manga", "status": "finished",
        "season": "fall", "year": 2017, "episodes": 12, "duration_minutes": 24.0,
        "rating": "PG-13 - Teens 13 or older", "score": 8.75, "scored_by": 9, "rank": 3, "popularity": 4,
        "members": 50, "synopsis": "S", "image_url": "https://cdn.example.org/1.jpg", "aired_from": "2017-10",
        "aired_to": "2017", "is_adult": True, "dumped_on": None, "synced_at": None,
        "tags": ["genre:Drama", "theme:School", "demographic:Josei"],
        "studios": ["Paperboat", "Third Window"],
    }  # fmt: skip


async def test_a_second_import_writes_nothing(load: Importer) -> None:
    rows = [
        own_row(mal_id, anilist_id=mal_id + 50, genres=["Drama"], studios=["A"]) for mal_id in range(1, 9)
    ]
    assert await load(*rows, dated="2026-11-01") == (8, 0, 0, 0, 0)
    before = await load.traces()

    assert await load(*rows, dated="2026-11-01") == (0, 0, 8, 0, 0)

    assert await load.traces() == before


async def test_a_corrected_file_updates_without_erasing(load: Importer) -> None:
    await load(own_row(1, episodes=12, synopsis="S", genres=["Drama"]), own_row(2))
    before = {row["mal_id"]: row for row in await load.rows()}

    assert await load(own_row(1, episodes=13), own_row(2)) == (0, 1, 1, 0, 0)

    after = {row["mal_id"]: row for row in await load.rows()}
    assert after[1] == before[1] | {"episodes": 13}
    assert after[2] == before[2]


async def test_of_two_dumps_the_later_wins_in_whichever_order(load: Importer) -> None:
    old = own_row(1, title="Old", episodes=12, synopsis="S", genres=["Drama"], synonyms=["o"])
    new = own_row(1, title="New", episodes=13, year=2020, studios=["A"], synonyms=["n", "m"])
    await load(old, dated="2025-01-01")
    assert await load(new, dated="2026-01-01") == (0, 1, 0, 0, 0)
    forwards = await load.row()
    await load.execute("truncate anime cascade")

    await load(new, dated="2026-01-01")
    assert await load(old, dated="2025-01-01") == (0, 1, 0, 0, 0)

    assert await load.row() == forwards
    assert (forwards["title"], forwards["episodes"], forwards["synopsis"]) == ("New", 13, "S")
    assert (forwards["synonyms"], forwards["tags"], forwards["studios"]) == (
        ["n", "m"],
        ["genre:Drama"],
        ["A"],
    )
    assert forwards["dumped_on"] == date(2026, 1, 1)


async def test_an_undated_dump_ranks_lowest(load: Importer) -> None:
    await load(own_row(1, episodes=12), dated="2020-01-01")

    assert await load(own_row(1, title="X", episodes=99, year=2001)) == (0, 1, 0, 0, 0)

    row = await load.row()
    assert (row["title"], row["episodes"], row["year"]) == ("Title 1", 12, 2001)
    assert await load(own_row(1, title="Y", episodes=13), dated="2020-01-01") == (0, 1, 0, 0, 0)
    assert (await load.row())["episodes"] == 13


async def test_a_date_in_the_future_does_not_outrank_what_comes_later(load: Importer) -> None:
    await load(own_row(1, episodes=12), dated="2999-01-01")

    assert (await load.row())["dumped_on"] == NOW.date()


async def test_an_unchanged_title_gets_the_date_of_the_later_dump(load: Importer) -> None:
    await load(own_row(1, episodes=12), dated="2025-01-01")

    assert await load(own_row(1, episodes=12), dated="2026-01-01") == (0, 0, 1, 0, 0)
    assert await load(own_row(1, episodes=99), dated="2025-06-01") == (0, 0, 1, 0, 0)

    assert (await load.row())["episodes"] == 12


async def test_synced_values_are_only_completed(load: Importer) -> None:
    await load.sync(
        UpstreamAnime(title="MAL", mal_id=1, episodes=24, tags=(UpstreamTag("genre", "Drama", 8),))
    )
    row = own_row(
        1, anilist_id=11, title="Dump", episodes=12, year=2000, title_russian="Р", genres=["Action"]
    )

    assert await load(row, dated="2026-11-19") == (0, 1, 0, 0, 0)

    stored = await load.row()
    assert (stored["title"], stored["episodes"], stored["tags"]) == ("MAL", 24, ["genre:Drama"])
    assert (stored["year"], stored["title_russian"], stored["anilist_id"]) == (2000, "Р", 11)
    assert (stored["synced_at"], stored["dumped_on"]) == (NOW, None)
    assert await load(row, dated="2026-11-19") == (0, 0, 1, 0, 0)


async def test_manual_edits_yield_only_to_newer_dumps(load: Importer) -> None:
    async with load.database.transaction() as tx:
        await CatalogueRepository(tx).create(UpstreamAnime(title="By hand", mal_id=1))

    await load(own_row(1, title="Dump", year=2000))

    assert ((await load.row())["title"], (await load.row())["year"]) == ("By hand", 2000)


async def test_a_score_that_voters_gave_beats_a_mean_of_sites(load: Importer) -> None:
    await load(offline_row(1), dated="2026-11-01")
    assert (await load.row())["score"] == 7.5

    await load(own_row(1, score=8.1, scored_by=100))
    assert ((await load.row())["score"], (await load.row())["scored_by"]) == (8.1, 100)

    await load(offline_row(1), dated="2026-11-15")
    assert ((await load.row())["score"], (await load.row())["scored_by"]) == (8.1, 100)


async def test_a_newer_mean_of_sites_replaces_an_older_one(load: Importer) -> None:
    await load(offline_row(1), dated="2026-11-01")

    await load(offline_row(1, score={"arithmeticMean": 6.5}), dated="2026-11-08")

    assert (await load.row())["score"] == 6.5


async def test_invalid_rows_are_reported_by_line_and_skipped(load: Importer) -> None:
    done = await load(
        own_row(1), b"{broken", own_row(2, episodes="many"), own_row(3), {"title": "nameless"}, own_row(4),
        own_row(2**31), own_row(5),
    )  # fmt: skip

    assert done == (4, 0, 0, 1, 3)
    assert [row["mal_id"] for row in await load.rows()] == [1, 3, 4, 5]
    assert [(fault.line, fault.outcome) for fault in load.faults] == [
        (2, "failed"),
        (3, "failed"),
        (5, "skipped"),
        (7, "failed"),
    ]
    assert all(fault.reason for fault in load.faults)


async def test_the_summary_lists_a_limited_number_of_faults(load: Importer) -> None:
    path = dumps.write(load.folder, "x.jsonl", b"null\n" * 1500)

    summary = await DumpService(load.database).run(path)

    assert counts(summary) == (0, 0, 0, 0, 1500)
    assert summary.faults == [(line, "not an object") for line in range(1, 1001)]


async def test_rows_before_a_truncation_are_kept_and_counted(load: Importer) -> None:
    whole = dumps.document([own_row(mal_id) for mal_id in range(1, 11)])
    path = dumps.write(load.folder, "x.json", whole[:-60])

    with pytest.raises(DumpUnreadable, match=r"truncated.*rows before that are stored") as fault:
        await load.service.run(path)

    assert fault.value.details == {"added": 8, "updated": 0, "unchanged": 0, "skipped": 0, "failed": 0}
    assert len(await load.rows()) == 8


async def test_a_file_that_is_not_a_dump_changes_nothing(load: Importer) -> None:
    before = await load.traces()

    with pytest.raises(DumpUnreadable):
        await load.service.run(dumps.write(load.folder, "x.xml", b"<anime/>"))

    assert await load.traces() == before


async def test_progress_is_reported_in_rows_and_bytes(load: Importer) -> None:
    path = dumps.write(load.folder, "x.jsonl.gz", dumps.lines([own_row(mal_id) for mal_id in range(1, 9)]))
    heard: list[Progress] = []

    await load.service.run(path, on_progress=heard.append)

    size = path.stat().st_size
    assert [progress.rows for progress in heard] == [3, 6, 8]
    assert all(progress.size == size for progress in heard)
    assert heard[-1].consumed == size


async def test_only_changes_are_published(load: Importer) -> None:
    told: list[int] = []

    async def tell() -> None:
        told.append(len(await load.rows()))

    service = DumpService(load.database, chunk=3, changed=tell)
    path = dumps.write(load.folder, "x.jsonl", dumps.lines([own_row(mal_id) for mal_id in range(1, 9)]))

    await service.run(path)
    await service.run(path)

    assert told == [3, 6, 8]


async def test_an_interrupted_import_is_completed_by_the_next(load: Importer) -> None:
    rows = [own_row(mal_id, genres=["Drama"], studios=[f"S{mal_id}"]) for mal_id in range(1, 11)]
    path = dumps.write(load.folder, "x.jsonl", dumps.lines(rows))

    class Killed(Exception):
        pass

    def die(progress: Progress) -> None:
        if progress.rows >= 6:
            raise Killed

    with pytest.raises(Killed):
        await load.service.run(path, on_progress=die)
    halfway = await load.rows()
    done = counts(await load.service.run(path))

    assert len(halfway) == 6
    assert all(row["tags"] == ["genre:Drama"] and row["studios"] for row in halfway)
    assert done == (4, 0, 6, 0, 0)


async def test_a_lost_connection_leaves_complete_chunks_and_reports_unavailable(load: Importer) -> None:
    rows = [own_row(mal_id) for mal_id in range(1, 11)]
    path = dumps.write(load.folder, "x.jsonl", dumps.lines(rows))
    killed = 0

    async def kill_others() -> None:
        nonlocal killed
        killed = await load.database.scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )

    lone = Database.connect(load.database.engine.url.render_as_string(hide_password=False), pre_ping=False)
    try:
        with pytest.raises(DatabaseUnavailable):
            await DumpService(lone, chunk=3, changed=kill_others).run(path)
    finally:
        await lone.close()

    assert killed > 0
    assert len(await load.rows()) == 3
    assert counts(await DumpService(load.database, chunk=3).run(path)) == (7, 0, 3, 0, 0)


async def test_two_imports_of_one_file_at_once_add_each_title_once(load: Importer) -> None:
    rows = [own_row(mal_id, genres=["Drama"], studios=["A"]) for mal_id in range(1, 41)]
    path = dumps.write(load.folder, "x.jsonl", dumps.lines(rows))

    done = await asyncio.gather(*(load.service.run(path) for _ in range(4)))

    assert sum(one.added for one in done) == 40
    assert sum(one.updated + one.failed + one.skipped for one in done) == 0
    assert len(await load.rows()) == 40


async def test_syncs_during_an_import_win(load: Importer) -> None:
    rows = [own_row(mal_id, title="dump", episodes=1) for mal_id in range(1, 61)]
    path = dumps.write(load.folder, "x.jsonl", dumps.lines(rows))

    async def sync() -> None:
        for mal_id in [*range(1, 61), *range(60, 0, -1)]:
            await load.sync(UpstreamAnime(title="sync", mal_id=mal_id))

    await asyncio.gather(load.service.run(path), sync())

    assert {row["title"] for row in await load.rows()} == {"sync"}


async def test_large_imports_analyze_the_table(load: Importer) -> None:
    service = DumpService(load.database)
    path = dumps.write(load.folder, "x.jsonl", dumps.lines([own_row(mal_id) for mal_id in range(1, 3001)]))

    await service.run(path)

    estimate = "select reltuples::int from pg_class where oid = 'anime'::regclass"
    assert await load.database.scalar(estimate) == 3000
    pending = json.loads(
        await load.database.scalar(
            "select json_agg(gin_clean_pending_list(indexrelid))::text from pg_index"
            " join pg_class on pg_class.oid = indexrelid join pg_am on pg_am.oid = relam"
            " where indrelid = 'anime'::regclass and amname = 'gin'"
        )
    )
    assert pending
    assert not any(pending)
