"""Importing dumps: titles with conflicting ids, and files with duplicates."""

from pathlib import Path
from typing import Any

import pytest

from app.utils.db.database import Database
from tests.factories.dumps import offline_row, own_row
from tests.services.importer import Importer


@pytest.fixture
def load(database: Database, tmp_path: Path) -> Importer:
    return Importer(database, tmp_path)


def own(mal_id: int | None, anilist_id: int | None = None) -> dict[str, Any]:
    return own_row(mal_id, anilist_id=anilist_id)


IDS: list[tuple[str, list[Any], list[tuple[int | None, int | None]]]] = [
    ("a title gains its AniList id", [[own(1)], [own(1, 11)]], [(1, 11)]),
    ("an AniList title gains MAL's id", [[own(None, 11)], [own(1, 11)]], [(1, 11)]),
    ("two titles are found to be one", [[own(1), own(None, 11)], [own(1, 11)]],
     [(1, 11)]),
    ("a repetition tells no ids", [[own(1), own(None, 11), own(1, 11)]], [(1, None), (None, 11)]),
    ("the link comes first", [[own(1, 11), own(None, 11), own(1)]], [(1, 11)]),
    ("two titles of MAL claim one id", [[own(1, 11), own(2, 11)]], [(1, 11), (2, None)]),
    ("a later file moves an id", [[own(1, 11)], [own(2, 11)]], [(1, None), (2, 11)]),
    ("a file swaps two ids", [[own(1, 11), own(2, 12)],
                              [own(1, 12), own(2, 11)]], [(1, 12), (2, 11)]),
    ("a file rotates ids", [[own(1, 11), own(2, 12)],
                            [own(2, 11), own(1, 13)]], [(1, 13), (2, 11)]),
    ("both forms of a dump", [[offline_row(1, 11)], [own(1), own(None, 11)]], [(1, 11)]),
]  # fmt: skip


@pytest.mark.parametrize(("files", "ids"), [case[1:] for case in IDS], ids=[case[0] for case in IDS])
@pytest.mark.parametrize("chunk", [1, 2, 100])
async def test_ids_of_both_sites_are_merged(
    database: Database,
    tmp_path: Path,
    files: list[list[Any]],
    ids: list[tuple[int | None, int | None]],
    chunk: int,
) -> None:
    load = Importer(database, tmp_path, chunk=chunk)
    for rows in files:
        done = await load(*rows)
        assert sum(done) == len(rows)
    assert [(row["mal_id"], row["anilist_id"]) for row in await load.rows()] == ids
    before = await load.traces()

    again = await load(*files[-1])

    assert again[:2] == (0, 0)
    assert await load.traces() == before


async def test_merged_titles_keep_the_values_of_both(load: Importer) -> None:
    await load(own_row(1, year=2001), own_row(None, anilist_id=11, title="A", episodes=12, year=2002))
    kept = await load.database.scalar("select id from anime where mal_id = 1")

    assert await load(own_row(1, anilist_id=11)) == (0, 1, 0, 0, 0)

    row = await load.row()
    assert (row["title"], row["year"], row["episodes"]) == ("Title 1", 2001, 12)
    assert await load.database.scalar("select id from anime") == kept


async def test_repeated_titles_of_a_file_complete_the_first_and_are_reported(load: Importer) -> None:
    rows = [
        own_row(1, year=2001),
        own_row(1, year=2002, episodes=12),
        own_row(2),
        own_row(3),
        own_row(1, rank=5),
    ]

    assert await load(*rows) == (3, 0, 0, 2, 0)

    row = (await load.rows())[0]
    assert (row["year"], row["episodes"], row["rank"]) == (2001, 12, 5)
    assert [(fault.line, fault.reason) for fault in load.faults] == [
        (2, "the same title as line 1"),
        (5, "the same title as an earlier line"),
    ]
    assert await load(*rows) == (0, 0, 3, 2, 0)


USER = "insert into users (username, password_hash) values ('u', 'x') returning id"


async def test_entries_move_to_the_title_that_absorbs_theirs(load: Importer) -> None:
    await load(own_row(1), own_row(None, anilist_id=11))
    await load.execute(f"""
        with u as ({USER}), old as (select id from anime where mal_id is null),
             e as (insert into entries (user_id, media_type, anime_id, status)
                   select u.id, 'anime', old.id, 'watching' from u, old)
        insert into favorites (user_id, anime_id) select u.id, old.id from u, old
    """)  # fmt: skip

    await load(own_row(1, anilist_id=11))

    kept = await load.database.scalar("select id from anime")
    assert await load.database.scalar("select anime_id from entries") == kept
    assert await load.database.scalar("select anime_id from favorites") == kept


async def test_titles_are_not_merged_if_a_user_has_both(load: Importer) -> None:
    await load(own_row(1), own_row(None, anilist_id=11))
    await load.execute(f"""
        with u as ({USER})
        insert into entries (user_id, media_type, anime_id, status)
        select u.id, 'anime', anime.id, 'watching' from u, anime
    """)  # fmt: skip
    link = own_row(1, anilist_id=11, year=2005)

    assert await load(link) == (0, 1, 0, 0, 0)

    assert [(row["mal_id"], row["anilist_id"], row["year"]) for row in await load.rows()] == [
        (1, None, 2005),
        (None, 11, None),
    ]
    assert await load.database.scalar("select count(distinct anime_id) from entries") == 2
    before = await load.traces()
    assert await load(link) == (0, 0, 1, 0, 0)
    assert await load.traces() == before
