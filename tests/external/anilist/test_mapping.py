"""Mapping of AniList's titles: all recorded ones, and malformed ones."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.external.anilist.mapping import MappingError, map_media

MEDIA = {"id": 1, "type": "ANIME", "title": {"romaji": "Cowboy Bebop"}, "episodes": 26}


def recorded(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("title"), dict) and value.get("type") in {"ANIME", "MANGA"} and "id" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from recorded(item)


def test_every_recorded_title_arrives_whole(shared: Path) -> None:
    found = 0
    for file in sorted((shared / "upstream" / "anilist").glob("*.json")):
        for said in recorded(json.loads(file.read_text("utf-8"))):
            media = map_media(said)
            found += 1
            total = said.get("episodes") if said["type"] == "ANIME" else said.get("chapters")
            assert (media.anilist_id, media.mal_id) == (said["id"], said.get("idMal")), file.name
            assert media.media_type == said["type"].lower(), file.name
            assert media.title in said["title"].values(), file.name
            assert media.total == (total or None), file.name
            assert media.image_url is None or media.image_url in said["coverImage"].values(), file.name
    assert found > 100


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        "media",
        {},
        {**MEDIA, "id": 0},
        {**MEDIA, "id": "one"},
        {**MEDIA, "id": 2**40},
        {**MEDIA, "title": None},
        {**MEDIA, "title": {"romaji": " ", "english": None}},
    ],
)
def test_objects_without_id_or_name_are_rejected(said: Any) -> None:
    with pytest.raises(MappingError):
        map_media(said)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"title": {"romaji": None, "english": "Bebop"}}, {"title": "Bebop"}),
        ({"title": {"native": "カウボーイビバップ"}}, {"title": "カウボーイビバップ"}),
        ({"title": {"romaji": "x" * 900}}, {"title": "x" * 500}),
        ({"title": {"romaji": "a\x00b"}}, {"title": "ab"}),
        ({"episodes": 0}, {"total": None}),
        ({"episodes": "many"}, {"total": None}),
        ({"type": "MANGA", "chapters": 12}, {"media_type": "manga", "total": 12}),
        ({"idMal": -1}, {"mal_id": None}),
        ({"coverImage": "none"}, {"image_url": None}),
        ({"coverImage": {"large": "https://example.org/l.jpg"}}, {"image_url": "https://example.org/l.jpg"}),
    ],
)
def test_invalid_fields_are_dropped_alone(change: dict[str, Any], expected: dict[str, Any]) -> None:
    media = map_media({**MEDIA, **change})
    assert {name: getattr(media, name) for name in expected} == expected
    assert media.anilist_id == 1
