"""Relations over HTTP, from a dump and from Jikan."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.container import Container
from app.schemas.domain.anime import UpstreamAnime
from app.schemas.domain.relations import UpstreamRelation
from app.services.catalogue.ingest import CatalogueIngest
from tests.fixtures.accounts import SignedIn

TITLES = [
    {"mal_id": 901, "title": "First", "aired_from": "2001-04-01"},
    {"mal_id": 902, "title": "Second", "aired_from": "2003-01-01"},
    {"mal_id": 903, "title": "Beside", "aired_from": "2002"},
    {"anilist_id": 77, "title": "Without an id of MyAnimeList"},
]
RELATIONS = [
    {"a": 901, "b": 902, "t": "Sequel", "src": "x2018"},
    {"a": 901, "b": 902, "t": "sequel", "src": "y2026"},
    {"a": 903, "b": 901, "t": "parent_story", "src": "x2018"},
    {"a": 902, "b": 999_999, "t": "other"},
    {"a": 901, "b": 5, "t": "adaptation", "src": "x2018", "media_type": "manga", "title": "The book"},
]
FAULTY = [
    {"a": 901, "b": 901, "t": "sequel"},
    {"a": 901, "b": 902, "t": "cousin"},
    {"a": "x", "b": 1, "t": "other"},
]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


async def load(container: Container, path: Path) -> tuple[int, ...]:
    summary = await container.catalogue.dumps.run(path)
    return summary.added, summary.updated, summary.unchanged, summary.skipped, summary.failed


@pytest.fixture
async def ids(container: Container, client: httpx.AsyncClient, tmp_path: Path) -> dict[str, int]:
    """Our ids by title; the relations are stored before the titles."""
    relations = write(tmp_path / "relations.jsonl", [*RELATIONS, *FAULTY])
    assert await load(container, relations) == (5, 0, 0, 1, 2)
    assert await load(container, relations) == (0, 0, 5, 1, 2)
    await load(container, write(tmp_path / "titles.jsonl", TITLES))
    return {anime["title"]: anime["id"] for anime in (await client.get("/anime")).json()}


async def related(client: httpx.AsyncClient, anime_id: int) -> list[tuple[Any, ...]]:
    answer = await client.get(f"/anime/{anime_id}/relations")
    assert answer.status_code == 200, answer.text
    count = (await client.get(f"/anime/{anime_id}", params={"fields": "relations_count"})).json()
    assert count == {"relations_count": len(answer.json())}
    keys = ("type", "mal_id", "title", "inferred", "sources")
    return [tuple(relation[key] for key in keys) for relation in answer.json()]


async def test_both_titles_show_a_relation_from_a_dump(
    client: httpx.AsyncClient, ids: dict[str, int]
) -> None:
    assert await related(client, ids["First"]) == [
        ("sequel", 902, "Second", False, ["x2018", "y2026"]),
        ("side_story", 903, "Beside", True, ["x2018"]),
        ("adaptation", 5, "The book", False, ["x2018"]),
    ]
    assert await related(client, ids["Second"]) == [
        ("prequel", 901, "First", True, ["x2018", "y2026"]),
        ("other", 999_999, None, False, ["dump"]),
    ]
    assert await related(client, ids["Without an id of MyAnimeList"]) == []
    relations = (await client.get(f"/anime/{ids['First']}/relations")).json()
    assert [relation["media_type"] for relation in relations] == ["anime", "anime", "manga"]
    assert relations[0]["anime"]["id"] == ids["Second"]
    assert relations[2]["anime"] is None
    assert (await client.get("/anime/999999/relations")).status_code == 404


async def test_an_unchanged_list_of_relations_is_304(client: httpx.AsyncClient, ids: dict[str, int]) -> None:
    path = f"/anime/{ids['First']}/relations"
    tag = (await client.get(path)).headers["ETag"]
    assert (await client.get(path, headers={"If-None-Match": tag})).status_code == 304


async def test_mal_replaces_its_earlier_relations(
    client: httpx.AsyncClient, container: Container, ids: dict[str, int]
) -> None:
    ingest = CatalogueIngest(container.db, container.catalogue.events)

    async def hear(*relations: UpstreamRelation) -> None:
        title = UpstreamAnime(mal_id=902, title="Second", relations=relations)
        await ingest.store([title])

    first = UpstreamRelation(902, 901, "prequel", title="First")
    await hear(first, UpstreamRelation(902, 31, "adaptation", "manga", "Its book"))
    assert await related(client, ids["Second"]) == [
        ("prequel", 901, "First", False, ["mal"]),
        ("adaptation", 31, "Its book", False, ["mal"]),
        ("other", 999_999, None, False, ["dump"]),
    ]
    await hear(first)
    assert len(await related(client, ids["Second"])) == 2
    await ingest.store([UpstreamAnime(mal_id=902, title="Second")])  # as lists have it
    assert len(await related(client, ids["Second"])) == 2


SEASONS = [
    {
        "mal_id": 911 + n,
        "title": f"Season {n + 1}",
        "aired_from": f"{2001 + n}-04-01",
        "type": "TV",
        "episodes": 12,
    }
    for n in range(3)
] + [{"mal_id": 921, "title": "A film", "aired_from": "2002-01-01", "type": "Movie", "episodes": 1}]
ORDERED = [
    {"a": 911, "b": 912, "t": "sequel"},
    {"a": 912, "b": 913, "t": "sequel"},
    {"a": 921, "b": 911, "t": "full_story"},
]


async def test_the_watch_order_shows_progress_and_the_next_title(
    client: httpx.AsyncClient, container: Container, user: SignedIn, tmp_path: Path
) -> None:
    await load(container, write(tmp_path / "all.jsonl", [*SEASONS, *ORDERED]))
    ids = {anime["title"]: anime["id"] for anime in (await client.get("/anime")).json()}
    entry = {"anime_id": ids["Season 1"], "status": "completed"}
    await client.post("/users/me/list", json=entry, headers=user.headers)

    path = f"/anime/{ids['Season 2']}/watch-order"
    order = (await client.get(path)).json()
    assert order["franchise"] == {"id": ids["Season 1"], "title": "Season 1", "size": 4}
    assert [item["anime"]["title"] for item in order["items"]] == ["Season 1", "Season 2", "Season 3"]
    assert (order["order"], order["next"], order["items"][0]["entry"]) == ("release", None, None)
    assert order["items"][1]["why"] == {"type": "sequel", "anime_id": ids["Season 1"]}

    own = await client.get(path, params={"order": "story", "include": "recap,special"}, headers=user.headers)
    assert own.headers["Cache-Control"].startswith("private")
    order = own.json()
    assert [(item["position"], item["role"], item["optional"]) for item in order["items"]] == [
        (1, "main", False), (2, "recap", True), (3, "main", False), (4, "main", False),
    ]  # fmt: skip
    assert order["items"][0]["entry"] == {"status": "completed", "progress": 0, "score": None}
    assert order["next"] == order["items"][2]
    for other in ids.values():
        same = await client.get(f"/anime/{other}/watch-order", headers=user.headers)
        assert same.json()["next"]["anime"]["title"] == "Season 2"

    bad = {"Authorization": "Bearer nobody"}
    assert (await client.get(path, headers=bad)).status_code == 401
    assert (await client.get(path, params={"include": "everything"})).status_code == 422
    assert (await client.get("/anime/999999/watch-order")).status_code == 404
