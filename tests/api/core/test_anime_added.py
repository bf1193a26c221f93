"""POST /anime: adding a title by hand, permissions and validation."""

import json
from typing import Any

import httpx
import pytest

from app.schemas.domain.catalogue import ANIME_KEYS
from tests.fixtures.accounts import SignedIn

LISTS = {"synonyms", "genres", "themes", "demographics", "studios"}
BARE = {"title": "Bare"}
WHOLE: dict[str, Any] = {
    "title": " Whole ",
    "mal_id": 5,
    "anilist_id": 6,
    "title_english": "The Whole",
    "title_japanese": "全部",
    "title_russian": "Всё",
    "synonyms": ["All", "全"],
    "type": "TV",
    "source": "Manga",
    "status": "airing",
    "season": "fall",
    "year": 2026,
    "episodes": 12,
    "duration_minutes": 23.5,
    "rating": "PG-13 - Teens 13 or older",
    "score": 8.25,
    "scored_by": 10,
    "rank": 3,
    "popularity": 4,
    "members": 99,
    "synopsis": "One\nTwo",
    "image_url": "https://cdn.example.org/5.jpg",
    "images": {
        "small": None,
        "medium": "https://cdn.example.org/5.jpg",
        "large": "https://cdn.example.org/5l.jpg",
        "color": "#e4a15d",
    },
    "trailer_url": "https://video.example.org/5",
    "aired_from": "2026-10",
    "aired_to": "2026",
    "broadcast": {"day": "Saturdays", "time": "18:00", "timezone": "Asia/Tokyo", "string": None},
    "is_adult": False,
    "genres": ["Drama", "action"],
    "themes": ["Space"],
    "demographics": ["Seinen"],
    "studios": ["Sunrise", "Bones"],
}


async def test_a_title_added_by_hand(client: httpx.AsyncClient, admin: SignedIn) -> None:
    created = await client.post("/anime", json=WHOLE, headers=admin.headers)
    assert created.status_code == 201, created.text
    anime = created.json()
    assert tuple(anime) == ANIME_KEYS
    plain = {key: value for key, value in WHOLE.items() if key in ANIME_KEYS and key not in LISTS}
    assert {key: anime[key] for key in plain} == {**plain, "title": "Whole"}
    assert anime["synonyms"] == WHOLE["synonyms"]
    names = {key: [label["name"] for label in anime[key]] for key in LISTS - {"synonyms"}}
    assert names == {
        "genres": ["Drama", "action"],
        "themes": ["Space"],
        "demographics": ["Seinen"],
        "studios": ["Bones", "Sunrise"],
    }
    assert anime["synced_at"] is None
    assert created.headers["Location"] == f"/anime/{anime['id']}"
    assert (await client.get(created.headers["Location"])).json() == anime
    assert (await client.get("/anime", params={"genre": "ACTION,space"})).json() == [anime]


async def test_genres_by_id_and_unknown_numbers(client: httpx.AsyncClient, admin: SignedIn) -> None:
    first = (await client.post("/anime", json=WHOLE, headers=admin.headers)).json()
    ids = {tag["name"]: tag["id"] for key in ("genres", "themes") for tag in first[key]}
    body = {**BARE, "genres": [ids["Drama"], "Comedy", ids["Space"]], "score": 0, "episodes": 0}
    second = (await client.post("/anime", json=body, headers=admin.headers)).json()
    assert [tag["name"] for tag in second["genres"]] == ["Comedy", "Drama"]
    assert second["themes"] == first["themes"]
    assert (second["score"], second["episodes"]) == (None, None)
    unknown = await client.post("/anime", json={**BARE, "genres": [2**31 - 1]}, headers=admin.headers)
    assert (unknown.status_code, list(unknown.json()["details"]["fields"])) == (422, ["genres"])


async def test_unknown_ratings_are_rejected(client: httpx.AsyncClient, admin: SignedIn) -> None:
    short = await client.post("/anime", json={**BARE, "rating": "pg-13"}, headers=admin.headers)
    assert (short.status_code, short.json()["rating"]) == (201, "PG-13 - Teens 13 or older")
    unknown = await client.post("/anime", json={**BARE, "rating": "very good"}, headers=admin.headers)
    assert unknown.status_code == 422
    (error,) = unknown.json()["details"]["errors"]
    assert (error["field"], error["code"], len(error["params"]["allowed"])) == ("rating", "not_allowed", 6)


async def test_an_existing_title_is_a_conflict(client: httpx.AsyncClient, admin: SignedIn) -> None:
    there = (await client.post("/anime", json=WHOLE, headers=admin.headers)).json()
    for field, number in (("mal_id", 5), ("anilist_id", 6)):
        again = await client.post("/anime", json={**BARE, field: number}, headers=admin.headers)
        assert (again.status_code, again.json()["code"]) == (409, "CONFLICT_ERROR")
        details = again.json()["details"]
        assert (details["id"], list(details["fields"])) == (there["id"], [field])
    assert (await client.get("/anime")).headers["X-Total-Count"] == "1"


async def test_permissions_to_add_titles(client: httpx.AsyncClient, user: SignedIn) -> None:
    nobody = await client.post("/anime", json=BARE)
    assert (nobody.status_code, nobody.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (await client.post("/anime", json=BARE, headers=user.headers)).status_code == 403
    assert (await client.get("/anime")).json() == []


UNFIT: dict[str, Any] = {
    "title": ["", " ", None, 7, "x" * 501, "a\x00b", "\ud800", ["a"]],
    "mal_id": [0, -1, "7", 7.0, True, 2**31, 2**63, 10**400],
    "year": [0, "1998", 1998.0, True, 99999],
    "score": [-0.1, 10.01, "8", True, [8]],
    "episodes": [-1, "12", 1.5],
    "duration_minutes": [0, -3, "24"],
    "aired_from": ["2017-02-30", "2017-13", "17", "2017/01/01", "2017-1-1", "２０１７", 2017, "0000"],
    "status": ["running", "Airing", 1],
    "season": ["autumn"],
    "type": ["Serial"],
    "image_url": ["javascript:alert(1)", "ftp://x", 7],
    "images": [
        [],
        "x",
        {"jpg": "x"},
        {"jpg": {"image_url": "x"}},
        {"jpg": {"a\x00": None}},
        {"color": "red"},
        {"small": "x"},
        {"large": 7},
    ],
    "broadcast": ["Saturdays", {"dayy": "x"}, {"day": 6}],
    "synonyms": ["x", [None], [""], ["x"] * 101],
    "genres": ["Action", [True], [1.5], [""], [0], ["x"] * 51, ["a\x00"]],
    "is_adult": ["yes", 1],
    "id": [1],
    "created_at": ["2020-01-01T00:00:00Z"],
    "__proto__": [{}],
}


@pytest.mark.parametrize("field", UNFIT)
async def test_invalid_bodies_are_rejected(client: httpx.AsyncClient, admin: SignedIn, field: str) -> None:
    for value in UNFIT[field]:
        body = json.dumps({**BARE, field: value}).encode()
        headers = {**admin.headers, "Content-Type": "application/json"}
        answer = await client.post("/anime", content=body, headers=headers)
        assert answer.status_code == 422, (field, value, answer.text)
        assert any(name.split(".")[0] == field for name in answer.json()["details"]["fields"])
    assert (await client.get("/anime")).json() == []


BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"title":NaN}',
    b'{"title":"x","score":NaN}',
    b'{"score":1e999,"title":"x"}',
    b"[" * 100_000,
    b'{"title":"' + b"x" * 900_000 + b'"}',
    b"\xff\xfe{",
    b'\xef\xbb\xbf{"title":"x","year":"1"}',
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_hostile_bodies(client: httpx.AsyncClient, admin: SignedIn, body: bytes) -> None:
    headers = {**admin.headers, "Content-Type": "application/json"}
    answer = await client.post("/anime", content=body, headers=headers)
    assert answer.status_code == 422, answer.text
