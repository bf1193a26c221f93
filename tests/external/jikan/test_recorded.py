"""All recorded bodies of anime, compared with an independent mapping."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.external.jikan.mapping import map_anime
from app.schemas.domain.anime import UpstreamAnime
from app.schemas.domain.pictures import sizes_of

RECORDED = Path(__file__).parents[4] / "shared" / "upstream" / "jikan"

pytestmark = pytest.mark.skipif(
    not RECORDED.exists(), reason="the recorded bodies lie beside the repository, in ../shared"
)

STATUS = {"Finished Airing": "finished", "Currently Airing": "airing", "Not yet aired": "upcoming"}
TYPES = {"TV", "Movie", "OVA", "ONA", "Special", "TV Special", "Music", "CM", "PV"}
MINUTES = {
    "Unknown": None, "1 min": 1, "3 min": 3, "4 min": 4, "5 min": 5, "6 min": 6, "8 min": 8, "9 min": 9,
    "10 min": 10, "14 min": 14, "23 min": 23, "24 min": 24, "28 min": 28, "29 min": 29, "47 min": 47,
    "48 min": 48, "5 min per ep": 5, "11 min per ep": 11, "12 min per ep": 12, "22 min per ep": 22,
    "23 min per ep": 23, "24 min per ep": 24, "25 min per ep": 25, "26 min per ep": 26, "27 min per ep": 27,
    "28 min per ep": 28, "29 min per ep": 29, "48 min per ep": 48, "49 min per ep": 49, "1 hr 10 min": 70,
    "1 hr 30 min": 90, "1 hr 35 min": 95, "1 hr 52 min": 112,
}  # fmt: skip
RATINGS = {
    "PG-13 - Teens 13 or older", "R - 17+ (violence & profanity)", "G - All Ages", "R+ - Mild Nudity",
    "PG - Children",
}  # fmt: skip


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _objects(item)


def _recorded() -> list[Any]:
    found = []
    for file in sorted(RECORDED.glob("[!_]*.json")):
        bodies = [
            one
            for one in _objects(json.loads(file.read_text("utf-8")))
            if "mal_id" in one and "episodes" in one and "aired" in one
        ]
        found += [pytest.param(one, id=f"{file.stem}-{number}") for number, one in enumerate(bodies)]
    return found


ALL = _recorded()


def test_all_recordings_are_present() -> None:
    assert len(ALL) == 199


@pytest.mark.parametrize("body", ALL)
def test_titles(body: dict[str, Any]) -> None:
    anime = map_anime(body)
    assert anime.mal_id == body["mal_id"]
    assert anime.title == body["title"].strip()
    assert anime.title_english == _stripped(body["title_english"])
    assert anime.title_japanese == _stripped(body["title_japanese"])
    assert anime.title_russian is None
    every = {entry["title"].strip() for entry in body.get("titles", [])} | {
        title.strip() for title in body["title_synonyms"]
    }
    main = {anime.title, anime.title_english, anime.title_japanese}
    synonyms = anime.synonyms or ()
    assert len(synonyms) == len(set(synonyms))
    assert set(synonyms) == every - main


@pytest.mark.parametrize("body", ALL)
def test_figures(body: dict[str, Any]) -> None:
    anime = map_anime(body)
    for key in ("score", "scored_by", "rank", "popularity", "members", "episodes", "year"):
        assert getattr(anime, key) == (body[key] if body[key] else None), key
    assert anime.duration_minutes == MINUTES[body["duration"]]


@pytest.mark.parametrize("body", ALL)
def test_words(body: dict[str, Any]) -> None:
    anime = map_anime(body)
    assert anime.status == STATUS[body["status"]]
    assert anime.season == (
        body["season"] if body["season"] in {"winter", "spring", "summer", "fall"} else None
    )
    assert anime.type == (body["type"] if body["type"] in TYPES else None)
    assert anime.rating == (body["rating"] if body["rating"] in RATINGS else None)
    assert anime.source == body["source"]
    assert anime.synopsis == _stripped(body["synopsis"])
    assert anime.is_adult is (None if anime.rating is None else False)


@pytest.mark.parametrize("body", ALL)
def test_dates_are_as_precise_as_they_were_written(body: dict[str, Any]) -> None:
    anime = map_anime(body)
    first, _, last = body["aired"]["string"].partition(" to ")
    assert (anime.aired_from, anime.aired_to) == (_day(first), _day(last))
    for stated, padded in ((anime.aired_from, body["aired"]["from"]), (anime.aired_to, body["aired"]["to"])):
        assert (stated is None) == (padded is None)
        assert (padded or "").startswith(stated or "")


@pytest.mark.parametrize("body", ALL)
def test_pictures_trailers_and_broadcasts(body: dict[str, Any]) -> None:
    anime = map_anime(body)
    assert anime.image_url == body["images"]["jpg"]["image_url"]
    sizes = body["images"]["jpg"]
    assert anime.images == {
        "small": sizes["small_image_url"],
        "medium": sizes["image_url"],
        "large": sizes["large_image_url"],
        "color": None,
    }
    assert anime.images == sizes_of(anime.image_url), (
        "sizes that are derived are those that MyAnimeList states"
    )
    assert anime.trailer_url == body["trailer"]["url"]
    slot = dict(body["broadcast"])
    if slot["string"] == "Unknown":
        slot["string"] = None
    if slot["day"] == "UNKNOWN DAY":
        slot["day"] = None
    assert anime.broadcast == (slot if any(slot.values()) else None)


@pytest.mark.parametrize("body", ALL)
def test_genres_themes_demographics_and_studios(body: dict[str, Any]) -> None:
    anime = map_anime(body)
    for kind, keys in (
        ("genre", ["genres", "explicit_genres"]),
        ("theme", ["themes"]),
        ("demographic", ["demographics"]),
    ):
        told = [(entry["name"], entry["mal_id"]) for key in keys for entry in body[key]]
        assert [(tag.name, tag.mal_id) for tag in anime.tags if tag.kind == kind] == told
    assert [(studio.name, studio.mal_id) for studio in anime.studios] == [
        (entry["name"], entry["mal_id"]) for entry in body["studios"]
    ]


def test_both_shapes_map_to_the_same_title() -> None:
    """A title in a list, alone, and alone without the newer ``titles``.

    No difference in the fields we read.
    """
    seen: dict[int, UpstreamAnime] = {}
    compared = 0
    for parameter in ALL:
        body: dict[str, Any] = parameter.values[0]
        if {entry["type"] for entry in body.get("titles", [])} & {"German", "Spanish", "French"}:
            continue
        older = {key: value for key, value in body.items() if key != "titles"}
        assert map_anime(older) == map_anime(body)
        compared += 1
        seen[body["mal_id"]] = map_anime(body)
    assert compared > 50
    assert len(seen) > 30


def _stripped(text: str | None) -> str | None:
    return None if text is None else text.strip()


def _day(text: str) -> str | None:
    for written, ours in (("%b %d, %Y", "%Y-%m-%d"), ("%b %Y", "%Y-%m"), ("%Y", "%Y")):
        try:
            return datetime.strptime(text, written).strftime(ours)  # noqa: DTZ007  no time, no zone
        except ValueError:
            continue
    assert text in {"", "?", "Not available"}, text
    return None
