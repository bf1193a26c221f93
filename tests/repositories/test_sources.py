"""Several sources of one title: names per source, values, dates, pictures."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.repositories.catalogue import CatalogueRepository
from app.schemas.domain.anime import UpstreamAnime, UpstreamTag
from app.utils.db.database import Database
from tests.factories.dumps import offline_row, own_row
from tests.repositories.test_catalogue import WHOLE, create, stored, traces, upsert
from tests.services.importer import Importer

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MAL = UpstreamAnime(title="M", mal_id=1, synonyms=("both", "only mal"))


@pytest.fixture
def load(database: Database, tmp_path: Path) -> Importer:
    return Importer(database, tmp_path)


async def names(load: Importer) -> list[Any]:
    row = await load.row()
    keys = ("title", "title_english", "title_japanese", "title_russian", "synonyms")
    return [row[key] for key in keys]


async def test_names_are_the_union_of_all_sources(load: Importer) -> None:
    row = own_row(1, title="D", title_english="E", title_russian="Р", synonyms=["both", "only dump"])
    await load(row, dated="2026-01-01")
    await load.sync(replace(MAL, title_english="English", title_japanese="日"))

    together = ["M", "English", "日", "Р", ["both", "only mal", "D", "E", "only dump"]]
    assert await names(load) == together
    await load(row, dated="2026-01-01")
    assert await names(load) == together
    await load(offline_row(1, title="O", synonyms=["only offline", "E"]), dated="2026-02-01")
    assert await names(load) == [
        *together[:4],
        ["both", "only mal", "O", "only offline", "E", "D", "only dump"],
    ]


async def test_the_order_in_which_sources_come_does_not_matter_to_names(load: Importer) -> None:
    row = own_row(1, title="D", title_english="E", synonyms=["both", "only dump"])
    await load.sync(MAL)
    await load(row)
    first = await names(load)
    await load.execute("truncate anime cascade")

    await load(row)
    await load.sync(MAL)

    assert await names(load) == first == ["M", "E", None, None, ["both", "only mal", "D", "only dump"]]


@pytest.mark.parametrize(
    ("left", "synonyms"),
    [
        (("both",), ["both", "only dump"]),
        (("only mal",), ["only mal", "both", "only dump"]),
        ((), ["both", "only dump"]),
        (None, ["both", "only mal", "only dump"]),
    ],
)
async def test_mal_removes_only_its_own_synonyms(
    load: Importer, left: tuple[str, ...] | None, synonyms: list[str]
) -> None:
    await load(own_row(1, title="M", synonyms=["both", "only dump"]))
    await load.sync(MAL)

    await load.sync(replace(MAL, synonyms=left))

    assert (await names(load))[4] == synonyms


async def test_a_dump_removes_only_its_own_synonyms_and_only_if_it_states_them(load: Importer) -> None:
    await load(own_row(1, title="M", title_russian="Р", synonyms=["both", "a", "b"]), dated="2026-01-01")
    await load.sync(MAL)

    await load(own_row(1, title="M", title_russian="Р2", synonyms=["b"]), dated="2026-02-01")
    assert await names(load) == ["M", None, None, "Р2", ["both", "only mal", "b"]]

    await load(own_row(1, title="M", synonyms=[]), dated="2026-03-01")
    assert await names(load) == ["M", None, None, "Р2", ["both", "only mal", "b"]]


async def test_an_older_dump_does_not_revert_a_later_one(load: Importer) -> None:
    await load(own_row(1, synonyms=["new"]), dated="2026-02-01")

    await load(own_row(1, title="Old", title_english="E", synonyms=["old"]), dated="2026-01-01")

    assert await names(load) == ["Title 1", "E", None, None, ["new"]]


async def test_a_new_title_of_a_source_replaces_its_old_one(load: Importer) -> None:
    await load(own_row(1, title="D"))
    await load.sync(MAL)

    await load.sync(replace(MAL, title="M2"))

    assert await names(load) == ["M2", None, None, None, ["both", "only mal", "D"]]


async def test_names_by_hand_stay_beside_those_of_all_others(database: Database, load: Importer) -> None:
    await create(database, replace(WHOLE, synonyms=("Windtown", "by hand")))
    await load(own_row(1, title="D", synonyms=["d"]), dated="2099-01-01")
    await load.sync(replace(MAL, synonyms=()))

    assert await names(load) == [
        "M",
        "Town of Wind",
        "風の町",
        None,
        ["Kaze no Machi", "Windtown", "by hand", "D", "d"],
    ]


async def test_names_that_came_by_other_ways_stay(database: Database, load: Importer) -> None:
    await load.execute(
        "insert into anime (mal_id, title, title_russian, synonyms) values (1, 'T', 'Р', '{s}')"
    )

    await load.sync(MAL)

    assert await names(load) == ["M", None, None, "Р", ["both", "only mal", "T", "s"]]


async def test_merged_titles_have_the_names_of_both(load: Importer) -> None:
    await load(
        own_row(1, title="A", synonyms=["a"]), own_row(None, anilist_id=11, title="B", title_russian="Р")
    )
    await load.sync(MAL)

    await load(own_row(1, anilist_id=11, title="A"))

    assert await names(load) == ["M", None, None, "Р", ["both", "only mal", "A", "a"]]


SPARSE = UpstreamAnime(title=WHOLE.title, mal_id=1)
VALUES = sorted(
    {field.name for field in fields(UpstreamAnime)}
    - {"title", "mal_id", "anilist_id", "tags", "studios", "relations"}
)


def with_value(title: UpstreamAnime, name: str, value: Any) -> UpstreamAnime:
    changed: dict[str, Any] = {name: value}
    return replace(title, **changed)


@pytest.mark.parametrize("name", VALUES)
async def test_missing_values_of_a_source_erase_nothing(database: Database, name: str) -> None:
    whole = replace(WHOLE, title_russian="Р", aired_from=None)
    if name == "aired_from":
        whole = replace(whole, aired_from="2026-10-02")
    await upsert(database, with_value(whole, name, None))
    await upsert(database, with_value(SPARSE, name, getattr(whole, name)))
    full = await stored(database)

    await upsert(database, with_value(whole, name, None))

    row = await stored(database)
    wanted = getattr(whole, name)
    assert row[name] == (list(wanted) if name == "synonyms" else wanted)
    assert row == full


async def test_genres_themes_demographics_and_studios_are_kept_each_by_itself(load: Importer) -> None:
    await load(own_row(1, genres=["Drama"], themes=["School"], demographics=["Josei"], studios=["A"]))

    await load.sync(replace(MAL, tags=(UpstreamTag("genre", "Action", 1), UpstreamTag("theme", "Space", 29))))
    row = await load.row()
    assert row["tags"] == ["genre:Action", "theme:Space", "demographic:Josei"]
    assert row["studios"] == ["A"]

    await load(own_row(1, genres=["Horror"], demographics=["Kids"]), dated="2026-11-01")
    assert (await load.row())["tags"] == row["tags"]


async def test_a_zero_count_does_not_replace_a_positive_one(load: Importer) -> None:
    await load(own_row(1, score=7, scored_by=10, members=20), dated="2026-01-01")

    await load(own_row(1, scored_by=0, members=0), dated="2026-02-01")

    row = await load.row()
    assert (row["score"], row["scored_by"], row["members"]) == (7, 10, 20)


DATES: list[tuple[str | None, int | None, str | None]] = [
    (None, None, None),
    ("2001", 2001, None),
    ("2001-07", 2001, "summer"),
    ("2014-12-09", 2014, "fall"),
    ("2023-03-31", 2023, "winter"),
    ("2023-04-01", 2023, "spring"),
]


@pytest.mark.parametrize(("aired", "year", "season"), DATES)
@pytest.mark.parametrize("source", ["mal", "mal later", "dump", "dump later", "hand"])
async def test_year_and_season_are_derived_from_the_date_if_missing(
    database: Database, load: Importer, source: str, aired: str | None, year: int | None, season: str | None
) -> None:
    title = UpstreamAnime(title="Film", mal_id=1, aired_from=aired)
    if source.endswith("later"):
        await load.execute("insert into anime (mal_id, title) values (1, 'Film')")
    if source.startswith("mal"):
        await load.sync(title)
    elif source.startswith("dump"):
        await load(own_row(1, aired_from=aired), dated="2026-01-01")
    else:
        await create(database, title)

    row = await load.row()
    assert (row["year"], row["season"]) == (year, season)


async def test_a_stated_season_outlives_a_date_and_a_derived_one_moves_with_it(load: Importer) -> None:
    await load(
        own_row(1, year=2015, season="winter", aired_from="2014-12-09"), own_row(2, aired_from="2025-11")
    )

    await load.sync(
        replace(MAL, aired_from="2014-12-08"), UpstreamAnime(title="Later", mal_id=2, aired_from="2026-07-03")
    )

    first, second = await load.rows()
    assert (first["year"], first["season"], first["aired_from"]) == (2015, "winter", "2014-12-08")
    assert (second["year"], second["season"]) == (2026, "summer")


async def test_a_season_is_not_taken_from_a_date_of_another_year(load: Importer) -> None:
    await load(own_row(1, year=2015, aired_from="2014-12-09"))

    assert ((await load.row())["year"], (await load.row())["season"]) == (2015, None)


async def test_placeholders_do_not_replace_pictures(load: Importer) -> None:
    await load(own_row(1, image_url="https://cdn.example.org/1.jpg"), dated="2026-01-01")

    await load(
        own_row(1, image_url="https://s4.anilist.co/file/anilistcdn/media/anime/cover/medium/default.jpg"),
        dated="2026-02-01",
    )

    assert (await load.row())["image_url"] == "https://cdn.example.org/1.jpg"


async def test_refreshes_that_find_nothing_new_write_no_title(database: Database) -> None:
    await upsert(database, WHOLE)
    before = await traces(database)
    updates = "select n_tup_upd + n_tup_ins from pg_stat_user_tables where relname = 'anime'"
    await flushed(database)
    written = await database.scalar(updates)

    for hour in range(1, 21):
        async with database.transaction() as tx:
            await CatalogueRepository(tx).upsert([WHOLE], synced_at=NOW + timedelta(hours=hour))
    await flushed(database)

    assert await traces(database) == before
    assert await database.scalar(updates) == written == 1
    assert (await stored(database))["synced_at"] == NOW + timedelta(hours=20)


async def flushed(database: Database) -> None:
    """Publish the statistics of this connection; those of others appear a second late."""
    for _ in range(5):
        async with database.transaction() as tx:
            await tx.session.execute(text("select pg_stat_force_next_flush()"))


async def test_the_date_of_a_dump_applies_to_its_names_too(load: Importer) -> None:
    await load(own_row(1, synonyms=["a"]), dated="2026-01-01")
    await load.sync(MAL)

    found = await load.database.scalar("select dated from anime_names where source = 'dump'")
    assert found == date(2026, 1, 1)
