"""Storing titles stated by upstreams and operators."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from app.errors import Conflict
from app.repositories.catalogue import CatalogueRepository
from app.schemas.domain.anime import Upserted, UpstreamAnime, UpstreamStudio, UpstreamTag
from app.utils.db.database import Database

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)

WHOLE = UpstreamAnime(
    title="Kaze no Machi",
    mal_id=1,
    title_english="Town of Wind",
    title_japanese="風の町",
    synonyms=("Windtown",),
    type="TV",
    source="Original",
    status="airing",
    season="fall",
    year=2026,
    episodes=12,
    duration_minutes=24.0,
    rating="PG - Children",
    score=7.5,
    scored_by=100,
    rank=3,
    popularity=4,
    members=500,
    synopsis="Wind.",
    image_url="https://cdn.example.org/1.jpg",
    images={"small": None, "medium": "https://cdn.example.org/1.jpg", "large": None, "color": None},
    trailer_url="https://video.example.org/1",
    aired_from="2026-10-02",
    aired_to="2026",
    broadcast={"day": "Fridays", "time": None, "timezone": "Asia/Tokyo", "string": None},
    is_adult=False,
    tags=(UpstreamTag("genre", "Drama", 8), UpstreamTag("theme", "School", 23)),
    studios=(UpstreamStudio("Third Window", 90005), UpstreamStudio("Paperboat")),
)
SHOWN = """
    select anime.*, synced_at,
           (select array_agg(name order by place) from unnest(tag_ids) with ordinality as t(tag, place)
            join genres on genres.id = tag) as tags,
           (select array_agg(name order by place) from unnest(studio_ids) with ordinality as s(studio, place)
            join studios on studios.id = studio) as studios
    from anime left join anime_syncs on anime_id = id where mal_id = :mal_id
"""


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """The statements that reach PostgreSQL."""
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)


async def upsert(database: Database, *items: UpstreamAnime, synced_at: datetime = NOW) -> Upserted:
    async with database.transaction() as tx:
        return await CatalogueRepository(tx).upsert(items, synced_at=synced_at)


async def create(database: Database, item: UpstreamAnime) -> int:
    async with database.transaction() as tx:
        return await CatalogueRepository(tx).create(item)


async def stored(database: Database, mal_id: int = 1) -> dict[str, Any]:
    async with database.reader() as connection:
        return dict((await connection.execute(text(SHOWN), {"mal_id": mal_id})).mappings().one())


async def execute(database: Database, sql: str, **parameters: Any) -> None:
    async with database.transaction() as tx:
        await tx.session.execute(text(sql), parameters)


async def traces(database: Database) -> tuple[int, str]:
    """What any write to the catalogue would change: its version, and the positions of rows."""
    places: str = await database.scalar("select string_agg(ctid || ' ' || xmin, ',' order by id) from anime")
    return await version(database), places


async def version(database: Database) -> int:
    found: int = await database.scalar("select version from catalogue_version")
    return found


async def test_every_field_is_stored(database: Database) -> None:
    done = await upsert(database, WHOLE)

    row = await stored(database)
    assert done == Upserted({1: row["id"]}, added=frozenset({row["id"]}))
    assert (row["tags"], row["studios"]) == (["Drama", "School"], ["Third Window", "Paperboat"])
    assert (row["synced_at"], row["dumped_on"]) == (NOW, None)
    assert row["synonyms"] == ["Windtown"]
    plain = set(row) & set(WHOLE.__slots__) - {"tags", "studios", "synonyms"}
    assert {name: row[name] for name in plain} == {name: getattr(WHOLE, name) for name in plain}
    assert len(plain) == 27


async def test_the_same_again_moves_only_the_time_of_the_sync(database: Database) -> None:
    await upsert(database, WHOLE)
    before = await stored(database)

    seen = await traces(database)

    done = await upsert(database, WHOLE, synced_at=LATER)

    assert await stored(database) == before | {"synced_at": LATER}
    assert await traces(database) == seen
    assert done == Upserted({1: before["id"]})


MOVING = {"title", "synced_at", "updated_at", "search_text"}


async def test_an_upstream_overwrites_and_its_null_erases_nothing(database: Database) -> None:
    await upsert(database, replace(WHOLE, title_russian="Город ветра", anilist_id=11))
    before = await stored(database)

    done = await upsert(database, UpstreamAnime(title="Another", mal_id=1), synced_at=LATER)

    row = await stored(database)
    assert done.updated == {before["id"]}
    assert row["title"] == "Another"
    assert row["updated_at"] > before["updated_at"]
    assert {name: row[name] for name in row.keys() - MOVING} == {
        name: before[name] for name in row.keys() - MOVING
    }


async def test_an_upstream_replaces_and_completes_a_title_added_by_hand(
    database: Database,
) -> None:
    await create(database, replace(WHOLE, title_russian="Город", anilist_id=11, synopsis=None, members=None))

    await upsert(database, UpstreamAnime(title="A", mal_id=1, episodes=13, synopsis="S", members=7))

    row = await stored(database)
    said = {"title": "A", "episodes": 13, "synopsis": "S", "members": 7}
    kept = {"title_russian": "Город", "anilist_id": 11, "season": "fall", "score": 7.5, "is_adult": False}
    assert {name: row[name] for name in said | kept} == said | kept
    assert row["synonyms"] == ["Kaze no Machi", "Windtown"]


async def test_an_older_answer_does_not_undo_a_newer_one(database: Database) -> None:
    first = await upsert(database, WHOLE, synced_at=LATER)

    late = await upsert(database, replace(WHOLE, title="Old news"), synced_at=NOW)

    row = await stored(database)
    assert (row["title"], row["synced_at"]) == (WHOLE.title, LATER)
    assert late == Upserted(first.ids)


async def test_a_page_is_stored_whole_and_the_last_of_two_mentions_counts(database: Database) -> None:
    page = [replace(WHOLE, mal_id=mal_id, title=f"T{mal_id}") for mal_id in (5, 2, 9)]

    done = await upsert(database, *page, replace(WHOLE, mal_id=2, title="Twice"))

    assert sorted(done.ids) == [2, 5, 9]
    assert len(done.added) == 3
    assert (await stored(database, 2))["title"] == "Twice"
    assert await upsert(database) == Upserted({})


async def test_a_page_that_stays_the_same_writes_no_title(database: Database, statements: list[str]) -> None:
    page = [replace(WHOLE, mal_id=mal_id) for mal_id in range(1, 26)]
    await upsert(database, *page)
    statements.clear()

    await upsert(database, *page, synced_at=LATER)

    assert not [statement for statement in statements if re.search(r"(into|update) anime\b", statement)]
    # the lock, what is stored, the genres, the studios, names (2), the comparison, the times
    assert len(statements) == 8


async def test_an_anilist_id_that_another_title_has_is_left_to_it(database: Database) -> None:
    await upsert(database, replace(WHOLE, mal_id=1, anilist_id=7))

    await upsert(
        database,
        replace(WHOLE, mal_id=2, anilist_id=7),
        replace(WHOLE, mal_id=3, anilist_id=8),
        replace(WHOLE, mal_id=4, anilist_id=8),
    )

    assert [(await stored(database, mal_id))["anilist_id"] for mal_id in (1, 2, 3, 4)] == [7, None, 8, None]


async def test_a_title_is_created_once(database: Database) -> None:
    first = await create(database, replace(WHOLE, anilist_id=11))

    for again in (WHOLE, replace(WHOLE, mal_id=2, anilist_id=11)):
        with pytest.raises(Conflict) as conflict:
            await create(database, again)
        assert (conflict.value.details or {})["id"] == first
    assert await database.scalar("select count(*) from anime") == 1
    row = await stored(database)
    assert (row["title"], row["tags"], row["synced_at"]) == (WHOLE.title, ["Drama", "School"], None)


async def test_titles_without_any_id_are_created_side_by_side(database: Database) -> None:
    nameless = replace(WHOLE, mal_id=None)

    assert await create(database, nameless) != await create(database, nameless)


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    before = await version(database)

    async def fail() -> None:
        async with database.transaction() as tx:
            await CatalogueRepository(tx).upsert([WHOLE], synced_at=NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()

    assert await database.scalar("select count(*) from anime") == 0
    assert await database.scalar("select count(*) from genres") == 0
    assert await version(database) == before


async def test_concurrent_inserts_of_one_title_create_one_row(database: Database) -> None:
    done = await asyncio.gather(*(upsert(database, WHOLE) for _ in range(10)))

    assert sum(len(one.added) for one in done) == 1
    assert len({one.ids[1] for one in done}) == 1
    assert await database.scalar("select count(*) from anime") == 1
    assert await database.scalar("select count(*) from genres") == 2


async def test_concurrent_creations_of_one_title_create_one_row(database: Database) -> None:
    done = await asyncio.gather(*(create(database, WHOLE) for _ in range(10)), return_exceptions=True)

    (made,) = [one for one in done if isinstance(one, int)]
    assert [(one.details or {})["id"] for one in done if isinstance(one, Conflict)] == [made] * 9


SETS = {
    "red": (UpstreamTag("genre", "Red"), UpstreamTag("theme", "Rose", 201), UpstreamTag("theme", "Ruby")),
    "blue": (
        UpstreamTag("genre", "Blue", 101),
        UpstreamTag("theme", "Sea"),
        UpstreamTag("theme", "Sky", 202),
    ),
}
WANTED = {name: sorted(tag.name for tag in tags) for name, tags in SETS.items()}


async def test_two_syncs_at_once_never_mix_sets_nor_deadlock(database: Database) -> None:
    ids = list(range(1, 9))
    await upsert(database, *(painted(mal_id, "red") for mal_id in ids))
    finished = asyncio.Event()

    async def sync(colour: str, order: list[int]) -> None:
        for _ in range(100):
            await upsert(database, *(painted(mal_id, colour) for mal_id in order))

    async def look() -> int:
        looks = 0
        while not finished.is_set():
            for mal_id in ids:
                row = await stored(database, mal_id)
                assert sorted(row["tags"]) == WANTED[row["title"]]
                assert row["studios"] == [row["title"]]
                looks += 1
        return looks

    reader = asyncio.create_task(look())
    await asyncio.gather(sync("red", ids), sync("blue", ids[::-1]))
    finished.set()

    assert await reader > 100


def painted(mal_id: int, colour: str) -> UpstreamAnime:
    return UpstreamAnime(title=colour, mal_id=mal_id, tags=SETS[colour], studios=(UpstreamStudio(colour),))


async def test_a_writer_that_takes_rows_first_does_not_deadlock_with_a_sync(database: Database) -> None:
    await upsert(database, *(painted(mal_id, "red") for mal_id in range(1, 9)))

    async def touch() -> None:
        for number in range(100):
            await execute(
                database, "update anime set members = :n where mal_id = :m", n=number, m=number % 8 + 1
            )

    async def sync() -> None:
        for _ in range(100):
            await upsert(database, *(painted(mal_id, "blue") for mal_id in range(1, 9)))

    await asyncio.gather(touch(), touch(), sync())
