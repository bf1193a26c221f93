"""Dump files for tests, in every format and compression."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import zstandard

from tests.factories.catalogue import make_titles

HEAD = {
    "$schema": "https://example.org/anime-offline-database.schema.json",
    "license": {"name": "ODbL", "url": "https://example.org/license"},
    "repository": "https://example.org/anime-offline-database",
    "scoreRange": {"minInclusive": 1.0, "maxInclusive": 10.0},
}


def own_row(mal_id: int | None = 1, **fields: Any) -> dict[str, Any]:
    """A row of our own dump format."""
    return {"mal_id": mal_id, "title": f"Title {mal_id}", **fields}


def offline_row(mal_id: int | None = 1, anilist_id: int | None = None, **fields: Any) -> dict[str, Any]:
    """A row of the anime-offline-database that conforms to its schema."""
    sources = ["https://anidb.net/anime/23"]
    sources += [f"https://anilist.co/anime/{anilist_id}"] if anilist_id else []
    sources += [f"https://myanimelist.net/anime/{mal_id}"] if mal_id else []
    return {
        "sources": sources,
        "title": f"Title {mal_id or anilist_id}",
        "type": "TV",
        "episodes": 12,
        "status": "FINISHED",
        "animeSeason": {"season": "SPRING", "year": 2014},
        "picture": "https://cdn.example.org/1.webp",
        "thumbnail": "https://cdn.example.org/1t.webp",
        "duration": {"value": 1440, "unit": "SECONDS"},
        "score": {"arithmeticGeometricMean": 7.4, "arithmeticMean": 7.5, "median": 7.6},
        "synonyms": [],
        "studios": [],
        "producers": [],
        "relatedAnime": [],
        "tags": [],
        **fields,
    }


def lines(rows: Iterable[Any], *, last_update: str | None = None) -> bytes:
    """JSON Lines; rows given as bytes are written unchanged."""
    head = [] if last_update is None else [HEAD | {"lastUpdate": last_update}]
    return b"".join(
        (row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode()) + b"\n"
        for row in [*head, *rows]
    )


def document(rows: Iterable[Any], *, last_update: str = "2026-11-14", indent: int | None = None) -> bytes:
    whole = HEAD | {"lastUpdate": last_update, "data": list(rows)}
    separators = (",", ":") if indent is None else None
    return json.dumps(whole, ensure_ascii=False, indent=indent, separators=separators).encode()


def packed(contents: bytes, name: str) -> bytes:
    """The content compressed according to the file name."""
    if name.endswith(".gz"):
        return gzip.compress(contents, 1)
    if name.endswith(".zst"):
        return zstandard.ZstdCompressor().compress(contents)
    return contents


def write(folder: Path, name: str, contents: bytes) -> Path:
    path = folder / name
    path.write_bytes(packed(contents, name))
    return path


def write_made(folder: Path, count: int) -> Path:
    """Write this many synthetic titles, modelled on the real ones, in our own dump format."""
    rows = []
    for title in make_titles(count):
        lists = {"genres": "genre", "themes": "theme", "demographics": "demographic"}
        tags = {key: [name for kind, name in title.tags if kind == wanted] for key, wanted in lists.items()}
        left_out = {"updated_at", "images", "broadcast", "trailer_url", "duration_minutes", "source"}
        columns = {key: value for key, value in title.columns.items() if key not in left_out}
        rows.append(columns | tags | {"studios": title.studios})
    return write(folder, "made.jsonl.gz", lines(rows))
