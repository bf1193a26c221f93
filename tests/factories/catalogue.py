"""Titles for tests, synthetic or real, and a fast way to store thousands of them."""

import gzip
import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from app.schemas.domain.pictures import UNKNOWN

GENRES = (
    "Action", "Adventure", "Comedy", "Drama", "Fantasy", "Romance", "Sci-Fi", "Slice of Life", "Horror",
    "Mystery", "Sports", "Supernatural", "Suspense", "Ecchi", "Gourmet", "Girls Love", "Erotica",
)  # fmt: skip
THEMES = ("Music", "School", "Mecha", "Historical", "Parody", "Space", "Isekai", "Time Travel", "Villainess")
DEMOGRAPHICS = ("Kids", "Shounen", "Seinen", "Shoujo", "Josei")
SYLLABLES = (
    "ka",
    "no",
    "mi",
    "ri",
    "to",
    "shi",
    "ra",
    "ken",
    "ha",
    "yu",
    "sa",
    "do",
    "gi",
    "tsu",
    "mo",
    "ne",
)
KANA = "アイウエオカキクケコサシスセソタチツテトナニヌネノ"
CYRILLIC = ("тень", "город", "ветер", "клинок", "звезда", "сердце", "дракон", "песня", "время", "школа")
WORDS = (
    "hero", "story", "world", "girl", "city", "night", "war", "school", "secret", "friend", "dream", "king",
    "travels", "finds", "fights", "saves", "loses", "the", "a", "of", "and", "with", "in", "after",
)  # fmt: skip
STATUS = {"Finished Airing": "finished", "Cancelled": "finished", "Currently Airing": "airing",
          "Not yet aired": "upcoming"}  # fmt: skip

Tag = tuple[str, str]


@dataclass
class Title:
    """One catalogue row before it is stored: its plain columns, tags as ``(kind, name)``, studios."""

    columns: dict[str, Any]
    tags: list[Tag] = field(default_factory=list)
    studios: list[str] = field(default_factory=list)

    def names(self) -> list[str]:
        """Every title, synonym and script."""
        keys = ("title", "title_english", "title_japanese", "title_russian")
        return [
            *(self.columns[key] for key in keys if self.columns.get(key)),
            *self.columns.get("synonyms", ()),
        ]


def make_titles(count: int, *, seed: int = 1) -> Iterator[Title]:
    """``count`` titles whose fields are filled, sized and distributed as in the real catalogue."""
    chance = random.Random(seed)
    for mal_id in range(1, count + 1):
        yield _make(mal_id, count, chance)


def _make(mal_id: int, count: int, chance: random.Random) -> Title:
    known = chance.random()
    year = chance.choice([None, *range(1960, 2027), *range(2005, 2027)])
    scored = known < 0.62
    season = chance.choice(["winter", "spring", "summer", "fall"]) if year and known < 0.95 else None
    name = _name(chance)
    columns: dict[str, Any] = {
        "mal_id": mal_id,
        "anilist_id": mal_id * 3 if known < 0.66 else None,
        "title": name,
        "title_english": _name(chance) if known < 0.44 else None,
        "title_japanese": "".join(chance.choices(KANA, k=9)) if known < 0.68 else None,
        "title_russian": " ".join(chance.choices(CYRILLIC, k=2)).capitalize() if known < 0.6 else None,
        "synonyms": [_name(chance) for _ in range(chance.randrange(4))] if known < 0.39 else [],
        "type": chance.choice(["TV", "TV", "Movie", "ONA", "OVA", "Music", "Special", None]),
        "source": chance.choice(["Original", "Manga", "Light novel", None]),
        "status": chance.choices(["finished", "upcoming", "airing", None], [90, 7, 2, 1])[0],
        "season": season,
        "year": year,
        "episodes": chance.choice([1, 1, 12, 12, 24, 26, None]),
        "duration_minutes": chance.choice([24.0, 3.5, 110.0, None]),
        "rating": chance.choices(
            ["PG-13 - Teens 13 or older", "G - All Ages", "Rx - Hentai", None], [5, 5, 1, 5]
        )[0],
        "score": round(min(9.5, max(1.0, chance.gauss(6.4, 0.9))), 2) if scored else None,
        "scored_by": chance.randrange(100, 10**6) if scored else None,
        "rank": mal_id if scored else None,
        "popularity": (mal_id * 7919) % count + 1 if known < 0.94 else None,
        "members": chance.randrange(50, 10**6) if known < 0.94 else None,
        "synopsis": _sentences(chance) if known < 0.55 else None,
        "image_url": f"https://cdn.example.org/images/anime/{mal_id}.jpg" if known < 0.85 else None,
        "images": _images(mal_id) if known < 0.85 else dict(UNKNOWN),
        "trailer_url": f"https://video.example.org/watch?v={mal_id}" if known < 0.2 else None,
        "aired_from": _date(year, chance),
        "broadcast": {"day": "Saturdays", "time": "18:00", "timezone": "Asia/Tokyo", "string": None}
        if known < 0.1
        else None,
        "is_adult": chance.choices([False, True, None], [88, 5, 7])[0],
        "updated_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=mal_id * 7919 % 10**6),
    }
    tags: list[Tag] = []
    if known < 0.72:
        tags += [("genre", name) for name in _some(GENRES, chance)]
        tags += [("theme", name) for name in _some(THEMES, chance)]
        tags += [("demographic", name) for name in _some(DEMOGRAPHICS, chance)[:1]]
    studios = [f"Studio {int(chance.paretovariate(0.5)) % 1500}"] if known < 0.52 else []
    return Title(columns, tags, studios)


def _name(chance: random.Random) -> str:
    words = (
        "".join(chance.choices(SYLLABLES, k=chance.randint(1, 4))).capitalize()
        for _ in range(chance.randint(1, 5))
    )
    return " ".join(words)


def _some(names: tuple[str, ...], chance: random.Random) -> list[str]:
    """The first names are frequent, the last are rare."""
    return [name for place, name in enumerate(names) if chance.random() < 0.35 / (1 + place)]


def _sentences(chance: random.Random) -> str:
    return (" ".join(chance.choices(WORDS, k=chance.randint(30, 180)))).capitalize() + "."


def _images(mal_id: int) -> dict[str, str | None]:
    address = f"https://cdn.example.org/images/anime/{mal_id % 2000}/{mal_id}"
    sizes = {"small": f"{address}t.jpg", "medium": f"{address}.jpg", "large": f"{address}l.jpg"}
    return {**sizes, "color": None}


def _date(year: int | None, chance: random.Random) -> str | None:
    if year is None:
        return None
    return chance.choice(
        [f"{year}", f"{year}-{chance.randint(1, 12):02}", f"{year}-0{chance.randint(1, 9)}-15"]
    )


def read_titles(shared: Path) -> Iterator[Title]:
    """The real catalogue, read independently of the importer, so that tests can compare with it."""
    seen: set[int | None] = set()
    with gzip.open(shared / "datasets" / "catalogue.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            title = _of(json.loads(line))
            if title.columns["anilist_id"] in seen:  # some names are duplicates
                title.columns["anilist_id"] = None
            seen.add(title.columns["anilist_id"])
            yield title


_SAME = (
    "mal_id", "anilist_id", "title", "title_english", "title_japanese", "title_russian", "type", "season",
    "year", "synopsis", "image_url", "aired_from", "aired_to",
)  # fmt: skip
_POSITIVE = ("episodes", "score", "scored_by", "rank", "popularity", "members")


def _of(row: dict[str, Any]) -> Title:
    columns = {key: row.get(key) for key in _SAME}
    columns |= {key: row.get(key) or None for key in _POSITIVE}
    columns["synonyms"] = row.get("synonyms") or []
    columns["source"] = row.get("source_material")
    columns["status"] = STATUS.get(row.get("status") or "")
    columns["rating"] = row.get("rating")
    columns["is_adult"] = row.get("nsfw")
    for key in ("aired_from", "aired_to"):
        if not re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", columns[key] or ""):
            columns[key] = None
    kinds = (("genre", "genres"), ("theme", "themes"), ("demographic", "demographics"))
    tags = [(kind, name) for kind, key in kinds for name in dict.fromkeys(row.get(key) or ())]
    return Title(columns, tags, list(dict.fromkeys(row.get("studios") or ())))


async def store_titles(connection: asyncpg.Connection, titles: Iterable[Title]) -> list[int]:
    """Store ``titles`` by COPY, and update statistics; returns their ids."""
    titles = list(titles)
    tag_ids = await _ids(
        connection, "genres", ("kind", "name"), (tag for title in titles for tag in title.tags)
    )
    studios = ((name,) for title in titles for name in title.studios)
    studio_ids = await _ids(connection, "studios", ("name",), studios)
    columns = sorted({column for title in titles for column in title.columns})
    first = await connection.fetchval("select coalesce(max(id), 0) + 1 from anime")
    records = [
        (
            first + place,
            *(_value(column, title.columns.get(column)) for column in columns),
            [tag_ids[_key(tag)] for tag in title.tags],
            [studio_ids[_key((name,))] for name in title.studios],
        )
        for place, title in enumerate(titles)
    ]
    await connection.copy_records_to_table(
        "anime", records=records, columns=["id", *columns, "tag_ids", "studio_ids"]
    )
    await connection.execute(
        "select setval(pg_get_serial_sequence('anime', 'id'), (select max(id) from anime))"
    )
    await connection.execute("vacuum analyze anime")
    await connection.execute("analyze genres")
    return [record[0] for record in records]


def _value(column: str, value: Any) -> Any:
    if column == "synonyms":
        return value or []
    if column in ("images", "broadcast") and value is not None:
        return json.dumps(value)
    if column == "updated_at" and value is None:
        return datetime.now(UTC)
    return value


def _key(values: tuple[str, ...]) -> tuple[str, ...]:
    return (*values[:-1], values[-1].lower())


async def _ids(
    connection: asyncpg.Connection, table: str, columns: tuple[str, ...], wanted: Iterable[tuple[str, ...]]
) -> dict[tuple[str, ...], int]:
    """The ids of named rows; missing ones are created."""
    wanted = {_key(values): values for values in wanted}
    places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    await connection.executemany(
        f"insert into {table} ({', '.join(columns)}) values ({places}) on conflict do nothing",
        [wanted[key] for key in sorted(wanted)],
    )
    rows = await connection.fetch(f"select id, {', '.join(columns)} from {table}")
    return {_key(tuple(row)[1:]): row["id"] for row in rows}
