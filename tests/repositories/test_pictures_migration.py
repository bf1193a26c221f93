"""The migration to covers in three sizes, on a filled catalogue."""

import json

import asyncpg

from app.schemas.domain.pictures import sizes_of
from tests.repositories.test_names_migration import alembic

REVISION, BEFORE = "20261128_0940", "20261128_0931"
MAL = "https://cdn.myanimelist.net/images/anime/4/19644"
FILL = """
    insert into anime (title, image_url, images) values
        ('stated', $1 || '.jpg', jsonb_build_object(
            'jpg', jsonb_build_object('image_url', $1 || '.jpg', 'small_image_url', null),
            'webp', jsonb_build_object('small_image_url', $1 || 't.webp'))),
        ('derived', $1 || '.jpg', null), ('of another host', 'https://cdn.example.org/1.jpg', null),
        ('none', null, null)
"""


async def test_stored_covers_get_their_sizes_and_the_migration_is_reversible(empty_database_url: str) -> None:
    alembic(empty_database_url, "upgrade", BEFORE)
    connection = await asyncpg.connect(empty_database_url.replace("+asyncpg", ""))
    await connection.execute(FILL.replace("$1", f"'{MAL}'"))
    alembic(empty_database_url, "upgrade", REVISION)
    rows = await connection.fetch("select title, images from anime order by id")
    sizes = {row["title"]: row["images"] and json.loads(row["images"]) for row in rows}
    derived = sizes_of(f"{MAL}.jpg")
    assert sizes == {
        "stated": {**derived, "small": f"{MAL}t.webp"},
        "derived": derived,
        "of another host": sizes_of(None),
        "none": None,
    }
    alembic(empty_database_url, "downgrade", BEFORE)
    back = await connection.fetchval("select images from anime where title = 'derived'")
    assert json.loads(back)["jpg"]["large_image_url"] == f"{MAL}l.jpg"
    await connection.close()


async def test_covers_at_other_hosts_of_myanimelist_get_their_sizes(empty_database_url: str) -> None:
    alembic(empty_database_url, "upgrade", "20261128_1402")
    connection = await asyncpg.connect(empty_database_url.replace("+asyncpg", ""))
    urls = [f"https://{host}/images/anime/1208/94745l.jpg" for host in ("myanimelist.net", "cdn.example.org")]
    await connection.execute(
        "insert into anime (title, image_url) select url, url from unnest($1::text[]) url", urls
    )
    alembic(empty_database_url, "upgrade", "20261128_1715")
    rows = await connection.fetch("select images from anime order by id")
    assert [row["images"] and json.loads(row["images"]) for row in rows] == [sizes_of(urls[0]), None]
    alembic(empty_database_url, "downgrade", "20261128_1402")
    assert await connection.fetchval("select count(images) from anime") == 1
    await connection.close()
