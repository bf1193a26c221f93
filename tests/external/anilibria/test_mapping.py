"""Mapping of AniLibria's bodies: every recorded one, and known irregularities of the real API."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.external.anilibria.mapping import (
    MappingError,
    all_of,
    instant,
    item_of,
    items_of,
    map_episode,
    map_genre,
    map_release,
    map_scheduled,
    paging_of,
)

SITE = "https://anilibria.test"
_QUALITIES = {"hls_1080": "1080p", "hls_720": "720p", "hls_480": "480p"}


def release_of(**fields: Any) -> Any:
    return map_release({"id": 1, "name": {"main": "Имя"}, **fields}, site=SITE)


@pytest.fixture(scope="session")
def folder(shared: Path) -> Path:
    return shared / "upstream" / "anilibria"


def test_every_recorded_episode_comes_through_field_by_field(folder: Path) -> None:
    files = sorted(folder.glob("v1_release_*_episodes*.json"))
    assert len(files) > 25
    seen = 0
    for file in files:
        said = json.loads(file.read_text())["episodes"]
        mapped = release_of(**json.loads(file.read_text())).episodes
        assert [one.sort_order for one in mapped] == sorted(one["sort_order"] for one in said)
        told = {one.external_id: one for one in mapped}
        assert len(told) == len(said), file.name
        for one in said:
            episode = told[one["id"]]
            assert (episode.ordinal, episode.name, episode.name_english) == (
                one["ordinal"],
                one["name"],
                one["name_english"],
            )
            assert episode.duration == (one["duration"] or None)
            links = [(_QUALITIES[key], one[key]) for key in _QUALITIES if one[key]]
            assert [(source.quality, source.url) for source in episode.sources] == links
            assert (episode.rutube_id, episode.youtube_id) == (one["rutube_id"], one["youtube_id"])
            for span, name in ((episode.opening, "opening"), (episode.ending, "ending")):
                expected = (one[name]["start"], one[name]["stop"])
                assert span == (None if expected == (None, None) else expected)
            picture = one["preview"].get("preview") or one["preview"].get("src")
            assert episode.preview == (SITE + picture if picture else None)
            assert episode.updated_at == datetime.fromisoformat(one["updated_at"])
            seen += 1
    assert seen > 1000


def test_every_recorded_release_comes_through_field_by_field(folder: Path) -> None:
    said = json.loads((folder / "v1_anime_releases_latest_20_2025_01.json").read_text())
    for one in said:
        release = map_release(one, site=SITE)
        assert release.external_id == one["id"]
        assert [release.name_ru, release.name_en, release.name_alternative] == list(one["name"].values())
        assert (release.alias, release.year, release.type) == (
            one["alias"],
            one["year"],
            one["type"]["value"],
        )
        assert release.season == {"autumn": "fall"}.get(one["season"]["value"], one["season"]["value"])
        assert release.status == ("airing" if one["is_ongoing"] else "finished")
        assert release.episodes_total == one["episodes_total"]
        assert release.description == one["description"].replace("\r\n", "\n").strip()
        assert release.genres == tuple(genre["name"] for genre in one["genres"])
        assert release.favorites == one["added_in_users_favorites"]
        assert release.publish_day == one["publish_day"]["value"]
        poster = one["poster"]
        assert release.poster_small == SITE + poster["thumbnail"]
        assert release.poster_medium == SITE + poster["optimized"]["src"]
        assert release.poster_large == SITE + poster["src"]
        for name, key in (("fresh_at", "fresh_at"), ("added_at", "created_at"), ("updated_at", "updated_at")):
            assert getattr(release, name) == (datetime.fromisoformat(one[key]) if one[key] else None)
        assert release.latest is not None
        assert release.latest.ordinal == one["latest_episode"]["ordinal"]
        assert release.episodes is None


def test_bodies_of_other_endpoints_are_read(folder: Path) -> None:
    def body(name: str) -> Any:
        return json.loads((folder / f"{name}.json").read_text())

    genres, skipped = all_of(items_of(body("v1_anime_genres_35")), lambda one: map_genre(one, site=SITE))
    assert (len(genres), skipped) == (35, 0)
    assert all(genre.name and genre.image and genre.total for genre in genres)
    week = items_of(body("v1_openapi_anime_schedule_week"))
    assert map_scheduled(week[0], site=SITE).next_episode == 8
    catalogue = body("v1_openapi_anime_catalog_releases")
    assert paging_of(catalogue) == (1704, 171)
    for name in ("catalog_releases", "releases_latest", "releases_list", "releases_random"):
        for one in items_of(body(f"v1_openapi_anime_{name}")):
            assert map_release(one, site=SITE).external_id == 7439
    whole = map_release(body("v1_openapi_anime_releases_idoralias"), site=SITE)
    assert [episode.ordinal for episode in whole.episodes or ()] == [12.5]
    torrents, skipped = all_of(items_of(body("v1_zenderg_latest")), lambda one: map_release(one, site=SITE))
    assert (torrents, skipped) == ([], 1), "an item of another endpoint is no release"


@pytest.mark.parametrize(
    ("value", "description", "expected"),
    [
        ("ONA", "ОNA", "ONA"),
        (None, "ОNA", "ONA"),
        (None, "ТВ", "TV"),
        (None, "OVА", "OVA"),
        ("MOVIE", "Фильм", "Movie"),
        (None, "Фильм", "Movie"),
        ("SPECIAL", None, "Special"),
        ("HOLOGRAM", None, None),
        (None, None, None),
    ],
)
def test_types_are_read_in_both_alphabets(
    value: str | None, description: str | None, expected: str | None
) -> None:
    assert release_of(type={"value": value, "description": description}).type == expected


@pytest.mark.parametrize("garbage", [None, [], "x", 7, {"value": []}, {"main": 5}, {"preview": {}}])
def test_a_detail_that_cannot_be_read_costs_only_itself(garbage: Any) -> None:
    names = (
        "type", "season", "poster", "fresh_at", "publish_day", "description", "genres", "episodes",
        "latest_episode", "year", "episodes_total", "age_rating", "external_player",
    )  # fmt: skip
    release = release_of(**dict.fromkeys(names, garbage))
    assert (release.external_id, release.name_ru) == (1, "Имя")


@pytest.mark.parametrize(
    "broken", [None, [], {}, {"id": None, "name": {}}, {"id": "7"}, {"id": 7, "name": {}}]
)
def test_objects_that_are_not_releases_are_reported(broken: Any) -> None:
    with pytest.raises(MappingError):
        map_release(broken, site=SITE)


def test_names_fall_back_and_odd_values_are_dropped() -> None:
    release = map_release({"id": 2, "name": {"main": None, "english": "Only"}}, site=SITE)
    assert (release.name_ru, release.name_en, release.description) == ("Only", "Only", "")
    poster = {"preview": "//cdn.test/a.jpg", "thumbnail": "javascript:alert(1)", "optimized": {"src": None}}
    release = release_of(poster=poster, year=99999, season={"value": "monsoon"}, episodes_total=0)
    assert (release.poster_large, release.poster_medium) == ("https://cdn.test/a.jpg",) * 2
    assert (release.poster_small, release.year, release.season) == ("https://cdn.test/a.jpg", None, None)
    assert release.episodes_total is None
    episodes: list[dict[str, Any]] = [
        {"id": "9bbc7bf9-ed74-4a99-a441-dfee5b788522", "ordinal": 2, "sort_order": 2},
        {"id": "9bca9302-1f7f-4a8d-ac81-8662d2ff3c0c", "ordinal": 0, "sort_order": 1},
        {"id": "no uuid", "ordinal": 3},
        {"id": "9bca9302-1f7f-4a8d-ac81-8662d2ff3c0d", "ordinal": None},
    ]
    assert [one.ordinal for one in release_of(episodes=episodes).episodes] == [0, 2, 3]
    numbers: tuple[Any, ...] = (float("nan"), float("inf"), -1, 10**400, "1e5", "two", True, [], {})
    for broken in numbers:
        with pytest.raises(MappingError):
            map_episode({"id": episodes[0]["id"], "ordinal": broken}, site=SITE, release_id=1)


def test_a_release_without_episodes_is_upcoming() -> None:
    told = {"is_ongoing": False, "is_in_production": True}
    assert release_of(**told, episodes=[]).status == "upcoming"
    assert release_of(**told, fresh_at=None).status == "upcoming"
    assert release_of(**told, fresh_at="2020-01-01T00:00:00+00:00").status == "finished"
    assert release_of(is_ongoing=True, episodes=[]).status == "airing"


def test_instants_are_utc() -> None:
    assert instant("2025-01-16T11:17:44+03:00") == datetime(2025, 1, 16, 8, 17, 44, tzinfo=UTC)
    for bad in ("", "yesterday", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-10:00", 5, None):
        assert instant(bad) is None


@pytest.mark.parametrize(
    ("sent", "field", "expected"),
    [
        ({"id": "77"}, "external_id", 77),
        ({"id": 77.0}, "external_id", 77),
        ({"year": "2024"}, "year", 2024),
        ({"name": {"main": 86, "english": None}}, "name_ru", "86"),
        ({"name": "Имя"}, "name_ru", "Имя"),
        ({"type": "TV"}, "type", "TV"),
        ({"season": "autumn"}, "season", "fall"),
        ({"season": {"value": None, "description": "Осень"}}, "season", "fall"),
        ({"season": {"value": "WINTER"}}, "season", "winter"),
        ({"genres": ["Драма", {"name": "Школа"}, None, 5]}, "genres", ("Драма", "Школа")),
        ({"episodes_total": "12"}, "episodes_total", 12),
        ({"publish_day": "3"}, "publish_day", 3),
        ({"publish_day": {"value": "3"}}, "publish_day", 3),
        ({"added_in_users_favorites": "1500"}, "favorites", 1500),
        ({"average_duration_of_episode": 23.6}, "episode_minutes", 24),
        ({"is_blocked_by_geo": 1}, "blocked", True),
        ({"is_blocked_by_copyrights": "true"}, "blocked", True),
        ({"is_ongoing": "1"}, "status", "airing"),
        ({"is_ongoing": 0}, "status", "finished"),
        ({}, "status", None),
        ({"poster": "/storage/a.jpg"}, "poster_large", SITE + "/storage/a.jpg"),
        ({"poster": {"preview": 5, "src": "/storage/a.jpg"}}, "poster_small", SITE + "/storage/a.jpg"),
        ({"updated_at": 1736000000}, "updated_at", datetime(2025, 1, 4, 14, 13, 20, tzinfo=UTC)),
        ({"updated_at": "1736000000"}, "updated_at", datetime(2025, 1, 4, 14, 13, 20, tzinfo=UTC)),
    ],
)
def test_other_spellings_of_a_value_are_understood(sent: Any, field: str, expected: object) -> None:
    assert getattr(release_of(**sent), field) == expected


def test_other_spellings_of_an_episode_are_understood() -> None:
    sent = {"id": 5, "ordinal": "12.5", "duration": 1420.4, "sort_order": "3", "rutube_id": 77}
    sent |= {"opening": {"start": "10", "stop": 99.6}, "hls_720": "//cdn.test/v.m3u8"}
    (episode,) = release_of(episodes=[sent]).episodes
    assert (episode.ordinal, episode.duration, episode.sort_order) == (12.5, 1420, 3)
    assert (episode.opening, episode.rutube_id) == ((10, 100), "77")
    assert [source.url for source in episode.sources] == ["https://cdn.test/v.m3u8"]
    assert release_of(episodes=[sent]).episodes[0].external_id == episode.external_id, "the same every time"
    assert release_of(id=2, episodes=[sent]).episodes[0].external_id != episode.external_id


def test_one_release_is_found_in_any_wrapping() -> None:
    one = {"id": 1}
    assert [item_of(body) for body in (one, {"data": one}, [one], {"data": [one]})] == [one] * 4
    assert [items_of(body) for body in (one, {"data": one}, [one], {"data": [one]})] == [[one]] * 4
    for broken in (None, "x", {}, {"data": "x"}):
        with pytest.raises(MappingError):
            items_of(broken)


_DEPENDENT = {
    "name": ("name_ru", "name_en", "name_alternative"),
    "poster": ("poster_small", "poster_medium", "poster_large"),
    "is_ongoing": ("status",),
    "is_in_production": ("status",),
    "fresh_at": ("fresh_at", "status"),
    "episodes": ("episodes", "status"),
    "created_at": ("added_at",),
    "added_in_users_favorites": ("favorites",),
    "average_duration_of_episode": ("episode_minutes",),
    "is_blocked_by_geo": ("blocked",),
    "is_blocked_by_copyrights": ("blocked",),
    "latest_episode": ("latest",),
    "hls_480": ("sources",),
    "hls_720": ("sources",),
    "hls_1080": ("sources",),
    "id": ("external_id",),
}
_GARBAGE: tuple[Any, ...] = (
    None, "", "garbage\x00", "<html>", [], [None], {}, {"value": {}}, -1, 0.5, 10**400, float("inf"), True,
    "9" * 400, "\ud800", "0001-01-01T00:00:00+14:00", [[[]]], {"preview": ["x"], "name": 5, "main": {}},
)  # fmt: skip


def _differences(before: Any, after: Any) -> set[str]:
    return {name for name in before.__dataclass_fields__ if getattr(before, name) != getattr(after, name)}


def test_a_bad_field_of_any_recorded_release_costs_at_most_that_field(folder: Path) -> None:
    releases = json.loads((folder / "v1_anime_releases_latest_20_2025_01.json").read_text())[:5]
    episodes = json.loads(next(folder.glob("v1_release_*_episodes*.json")).read_text())["episodes"][:3]
    for release in releases:
        said = {**release, "episodes": episodes}
        before = map_release(said, site=SITE)
        assert before.episodes is not None
        assert _differences(before, map_release({**said, "new_key": {"a": [1]}}, site=SITE)) == set()
        for name in set(said) - {"id"}:
            missing = {key: value for key, value in said.items() if key != name}
            for broken in (missing, *({**said, name: garbage} for garbage in _GARBAGE)):
                if name == "name" and not broken.get("alias"):
                    continue
                changed = _differences(before, map_release(broken, site=SITE))
                assert changed <= set(_DEPENDENT.get(name, (name,))), (name, broken.get(name))


def test_a_bad_field_of_an_episode_costs_at_most_that_field_or_that_episode(folder: Path) -> None:
    files = (json.loads(file.read_text()) for file in sorted(folder.glob("v1_release_*_episodes*.json")))
    said = next(one["episodes"][:4] for one in files if len(one["episodes"]) >= 4)
    before = release_of(episodes=said).episodes
    for name in said[1]:
        for garbage in _GARBAGE:
            after = release_of(episodes=[said[0], {**said[1], name: garbage}, *said[2:]]).episodes
            kept = {one.ordinal: one for one in after}
            others = [one for one in before if one.ordinal != said[1]["ordinal"]]
            assert [kept.get(one.ordinal) for one in others] == others, (name, garbage)
            if name != "ordinal":
                own = next(one for one in before if one.ordinal == said[1]["ordinal"])
                dependent = ("name",) if name == "name" else _DEPENDENT.get(name, (name,))
                assert _differences(own, kept[own.ordinal]) <= set(dependent)
