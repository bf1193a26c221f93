"""The migration to names per source, on a filled catalogue."""

import os
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
from alembic.config import Config
from alembic.script import ScriptDirectory

ROOT = Path(__file__).parents[2]
REVISION = "20261127_2316"


def alembic(url: str, *command: str) -> None:
    environment = {**os.environ, "DATABASE_URL": url, "SECRET_KEY": "x" * 40, "REDIS_URL": "redis://nowhere"}
    subprocess.run([sys.executable, "-m", "alembic", *command], cwd=ROOT, env=environment, check=True)


def before() -> str:
    scripts = ScriptDirectory.from_config(Config(str(ROOT / "alembic.ini")))
    return str(scripts.get_revision(REVISION).down_revision)


FILL = """
    insert into anime (mal_id, title, title_english, title_russian, synonyms, synced_at, dumped_on, image_url,
                       created_at)
    select i, 'T' || i, 'E' || i, 'Р' || i, array['S' || i],
           case when i % 3 = 0 then timestamptz '2026-01-01' + make_interval(secs => i) end,
           case when i % 3 = 1 then date '2025-12-01' when i % 3 = 2 then date '2026-02-01' end,
           case when i % 2 = 0 then 'https://cdn.myanimelist.net/img/sp/icon/apple-touch-icon-256.png'
                else 'https://cdn.myanimelist.net/images/anime/4/' || i || '.jpg' end,
           '2026-02-01'
    from generate_series(1, 32585) as i
"""


async def test_a_filled_catalogue_is_migrated_and_back_within_seconds(empty_database_url: str) -> None:
    alembic(empty_database_url, "upgrade", before())
    connection = await asyncpg.connect(empty_database_url.replace("+asyncpg", ""))
    await connection.execute(FILL)
    started = time.monotonic()
    alembic(empty_database_url, "upgrade", REVISION)
    assert time.monotonic() - started < 60

    found = await connection.fetch(
        "select source, dated, title, title_english, title_russian, synonyms"
        " from anime_names where anime_id in (select id from anime where mal_id in (1, 2, 3))"
        " order by anime_id, source"
    )
    names = [(row["source"], *list(row)[2:]) for row in found]
    assert names == [
        ("dump", "T1", "E1", "Р1", ["S1"]),
        ("manual", "T2", "E2", "Р2", ["S2"]),
        ("dump", "T3", None, "Р3", None),
        ("mal", "T3", "E3", None, ["S3"]),
    ]
    assert await connection.fetchval("select count(*) from anime_syncs") == 32585 // 3
    assert await connection.fetchval("select count(*) from anime where image_url is null") == 32585 // 2

    alembic(empty_database_url, "downgrade", before())
    assert await connection.fetchval("select count(*) from anime where synced_at is not null") == 32585 // 3
    await connection.close()
