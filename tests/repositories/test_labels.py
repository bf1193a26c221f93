"""Genres and studios: found by MyAnimeList id, then by name, otherwise added."""

from collections.abc import Sequence

from sqlalchemy import text

from app.repositories.labels import LabelRepository
from app.schemas.domain.anime import UpstreamStudio, UpstreamTag
from app.utils.db.database import Database


async def tag_ids(database: Database, *tags: UpstreamTag) -> list[int]:
    async with database.transaction() as tx:
        ids = await LabelRepository(tx).ids_of_tags(tags)
    return [ids[tag] for tag in tags]


async def studio_ids(database: Database, *studios: UpstreamStudio) -> list[int]:
    async with database.transaction() as tx:
        ids = await LabelRepository(tx).ids_of_studios(studios)
    return [ids[studio] for studio in studios]


async def rows(database: Database, table: str) -> Sequence[tuple[object, ...]]:
    kind = "kind, " if table == "genres" else ""
    async with database.reader() as connection:
        found = await connection.execute(text(f"select {kind}name, mal_id from {table} order by id"))
        return [tuple(row) for row in found]


async def test_new_labels_are_added_once(database: Database) -> None:
    action, school = UpstreamTag("genre", "Action", 1), UpstreamTag("theme", "School", 23)

    first = await tag_ids(database, action, school)
    second = await tag_ids(database, school, action)

    assert first == second[::-1]
    assert await rows(database, "genres") == [("genre", "Action", 1), ("theme", "School", 23)]


async def test_one_name_may_stand_for_two_kinds(database: Database) -> None:
    ids = await tag_ids(database, UpstreamTag("genre", "Music"), UpstreamTag("theme", "Music"))

    assert len(set(ids)) == 2


async def test_a_name_is_found_in_any_case(database: Database) -> None:
    ids = await studio_ids(
        database, UpstreamStudio("Éclair"), UpstreamStudio("ÉCLAIR"), UpstreamStudio("éclair")
    )

    assert len(set(ids)) == 1
    assert await rows(database, "studios") == [("Éclair", None)]


async def test_a_name_without_an_id_gets_the_id_and_the_spelling_of_mal(database: Database) -> None:
    before = await studio_ids(database, UpstreamStudio("third window"))

    after = await studio_ids(database, UpstreamStudio("Third Window", 90005))

    assert before == after
    assert await rows(database, "studios") == [("Third Window", 90005)]


async def test_a_renamed_label_gets_its_new_name(database: Database) -> None:
    before = await tag_ids(database, UpstreamTag("theme", "Romantic Subtext", 74))

    after = await tag_ids(database, UpstreamTag("theme", "Love Status Quo", 74))

    assert before == after
    assert await rows(database, "genres") == [("theme", "Love Status Quo", 74)]


async def test_a_new_name_that_is_taken_is_not_given_twice(database: Database) -> None:
    demons, mythology = await tag_ids(
        database, UpstreamTag("theme", "Demons"), UpstreamTag("theme", "Mythology", 6)
    )

    found = await tag_ids(database, UpstreamTag("theme", "Demons", 6), UpstreamTag("theme", "Demons"))

    assert found == [mythology, demons]
    assert await rows(database, "genres") == [("theme", "Demons", None), ("theme", "Mythology", 6)]


async def test_two_labels_renamed_to_one_name_at_once(database: Database) -> None:
    before = await studio_ids(database, UpstreamStudio("A", 1), UpstreamStudio("B", 2))

    after = await studio_ids(database, UpstreamStudio("C", 1), UpstreamStudio("c", 2))

    assert before == after
    assert await rows(database, "studios") == [("C", 1), ("B", 2)]


async def test_a_name_freed_by_a_renaming_becomes_a_new_label(database: Database) -> None:
    (old,) = await studio_ids(database, UpstreamStudio("Old", 1))

    renamed, namesake = await studio_ids(database, UpstreamStudio("New", 1), UpstreamStudio("Old"))

    assert renamed == old != namesake
    assert await rows(database, "studios") == [("New", 1), ("Old", None)]


async def test_two_ids_of_one_name_share_the_row(database: Database) -> None:
    ids = await studio_ids(database, UpstreamStudio("Twin", 1), UpstreamStudio("Twin", 2))

    assert len(set(ids)) == 1
    assert await rows(database, "studios") == [("Twin", 1)]


async def test_a_name_without_end_is_cut(database: Database) -> None:
    noise = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(5000))

    first, second = await studio_ids(database, UpstreamStudio(noise, 1), UpstreamStudio("B", 2))

    assert first != second
    assert await rows(database, "studios") == [(noise[:200], 1), ("B", 2)]


async def test_no_labels_cost_no_statement(database: Database) -> None:
    assert await tag_ids(database) == []
    assert await studio_ids(database) == []


async def test_known_labels_do_not_move_the_catalogue(database: Database) -> None:
    tags = [UpstreamTag("genre", "Action", 1), UpstreamTag("theme", "School")]
    await tag_ids(database, *tags)
    before = await database.scalar("select version from catalogue_version")

    await tag_ids(database, *tags)

    assert await database.scalar("select version from catalogue_version") == before
