"""Rows with a title but no id: linked if exactly one catalogue title has that name."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.container import Container
from app.repositories.library import NamedTitleRepository
from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn
from tests.fixtures.importing import Importer, counts, undo_import

TITLES = """
    insert into anime (mal_id, title, title_english, title_japanese, title_russian, synonyms, episodes) values
    (1, 'Cowboy Bebop', null, 'カウボーイビバップ', 'Ковбой Бибоп', '{CB}', 26),
    (2, 'Steins;Gate', null, null, null, '{}', 24),
    (3, 'K-On!', null, null, null, '{}', 13),
    (4, 'K-On!!', null, null, null, '{}', 26),
    (5, 'Orange', null, null, null, '{}', 13),
    (6, 'Eguo', 'Orange', null, null, '{}', 1),
    (7, 'Pokémon', null, null, null, '{Pocket Monsters}', 276),
    (8, 'Mirai Nikki', 'Future Diary', null, null, '{}', 1),
    (9, '◯', null, null, null, '{}', 1)
"""


def mal(*titles: str, kind: str = "anime", progress: int = 1) -> bytes:
    tag = "series_title" if kind == "anime" else "manga_title"
    counted = "my_watched_episodes" if kind == "anime" else "my_read_chapters"
    rows = (
        f"<{kind}><{tag}><![CDATA[{title}]]></{tag}><{counted}>{progress}</{counted}>"
        f"<my_status>Completed</my_status></{kind}>"
        for title in titles
    )
    return f"<myanimelist>{''.join(rows)}</myanimelist>".encode()


@pytest.fixture
async def importer(
    client: httpx.AsyncClient, user: SignedIn, container: Container, database: Database
) -> Importer:
    client.headers.update(user.headers)
    async with database.transaction() as tx:
        await tx.session.execute(text(TITLES))
    return Importer(client, container)


async def one(importer: Importer, content: bytes) -> dict[str, Any]:
    [row] = (await importer.run(content))["rows"]
    return dict(row)


@pytest.mark.parametrize(
    ("title", "mal_id"),
    [
        ("Cowboy Bebop", 1), ("COWBOY BEBOP", 1), ("cowboy-bebop", 1), ("  Cowboy   Bebop ", 1), ("cb", 1),
        ("Ｃｏｗｂｏｙ　Ｂｅｂｏｐ", 1), ("«Ковбой Бибоп»", 1), ("カウボーイ ビバップ", 1), ("ｶｳﾎﾞｰｲﾋﾞﾊﾞｯﾌﾟ", 1),
        ("SteinsGate", 2), ("Steins Gate", 2), ("K-On!", 3), ("k-on!!", 4), ("Pokemon", 7),
        ("Pocket Monsters!", 7),
        ("Pok&eacute;mon", 7),
    ],
)  # fmt: skip
async def test_a_name_of_exactly_one_title_links(importer: Importer, title: str, mal_id: int) -> None:
    row = await one(importer, mal(title))
    assert (row["matched"], row["reason"]) == (True, "linked by its title")
    [entry] = (await importer._mine.get("/users/me/list")).json()
    assert (entry["anime_id"], entry["anime"]["mal_id"]) == (row["anime_id"], mal_id)
    assert counts(await importer.run(mal(title))) == (0, 0, 1, 0, 0)


@pytest.mark.parametrize(
    ("title", "why"),
    [
        ("Orange", "2 titles"), ("K On", "2 titles"), ("Bebop", "no title"), ("Cowboy Bebop 2", "no title"),
        ("◯", "no title"), ("!!!", "no title"), ("%", "no title"), ("カウボーイヒハッフ", "no title"),
    ],
)  # fmt: skip
async def test_a_name_of_no_title_or_of_several_does_not_link(
    importer: Importer, title: str, why: str
) -> None:
    row = await one(importer, mal(title))
    assert (row["action"], row["matched"], row["anime_id"]) == ("added", False, None)
    assert row["reason"].startswith("not linked")
    assert why in row["reason"]
    assert counts(await importer.run(mal(title))) == (0, 0, 1, 0, 0)


async def test_progress_above_the_total_rules_a_title_out(importer: Importer) -> None:
    row = await one(importer, mal("Future Diary", progress=26))
    assert (row["matched"], "fewer than the 26" in row["reason"]) == (False, True)


async def test_a_manga_of_the_same_name_is_not_linked(importer: Importer) -> None:
    row = await one(importer, mal("Cowboy Bebop", kind="manga"))
    assert (row["matched"], row["media_type"]) == (False, "manga")
    assert "not linked" in row["reason"]


async def test_a_title_that_the_catalogue_came_to_know_is_linked_by_the_next_import(
    importer: Importer, client: httpx.AsyncClient, container: Container, database: Database
) -> None:
    assert (await one(importer, mal("Late One", progress=3)))["matched"] is False
    async with database.transaction() as tx:
        await tx.session.execute(text("insert into anime (mal_id, title) values (99, 'Late One')"))
    foreseen = (await importer.send(mal("Late One", progress=5), dry_run=True)).json()["rows"]
    report = await importer.run(mal("Late One", progress=5))
    [row] = report["rows"]
    assert foreseen == [row]
    assert row["changes"] == {"anime_id": [None, row["anime_id"]], "progress": [3, 5]}
    [entry] = (await client.get("/users/me/list")).json()
    assert (entry["anime"]["mal_id"], entry["progress"]) == (99, 5)
    assert counts(await importer.run(mal("Late One", progress=5))) == (0, 0, 1, 0, 0)
    assert await undo_import(container, client, report["job"]) == 1
    [entry] = (await client.get("/users/me/list")).json()
    assert (entry["anime"]["mal_id"], entry["progress"]) == (99, 3)


async def test_one_title_by_two_of_its_names_is_one_row(importer: Importer) -> None:
    report = await importer.run(mal("Cowboy Bebop", "Ковбой Бибоп"))
    assert counts(report) == (1, 0, 0, 1, 0)
    assert report["rows"][1]["reason"] == "the same title as row 1"


async def test_the_rows_of_a_chunk_are_looked_up_in_the_index(importer: Importer, database: Database) -> None:
    async with database.transaction() as tx:
        await tx.session.execute(
            text(
                "insert into anime (title, synonyms) "
                "select 'Title ' || n, array['Name ' || n] from generate_series(1, 5000) n"
            )
        )
        await tx.session.execute(text("analyze anime"))
    scans = text("select pg_stat_get_xact_numscans('ix_anime_title_keys'::regclass)")
    async with database.transaction() as tx:
        found = await NamedTitleRepository(tx).list_named(f"name {n}" for n in range(1, 2001))
        used = (await tx.session.execute(scans)).scalar_one()
    assert [len(titles) for titles in found.values()] == [1] * 2000
    assert used >= 2000


async def test_a_real_list_without_ids_is_linked(importer: Importer, shared: Path) -> None:
    path = shared / "inputs/anitransfer_convert_2020.xml"
    if not path.exists():
        pytest.skip("the list does not lie among the shared material")
    report = await importer.run(path.read_bytes())
    assert counts(report) == (292, 0, 0, 0, 0)
    assert all(row["reason"] for row in report["rows"])
