"""AniLibria's responses in unusual forms, over HTTP: only the unreadable parts are lost."""

import copy
import json
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema_rs
import pytest

from tests.api.anilibria.conftest import V2
from tests.standin import AniLibriaStandin
from tests.standin.anilibria import made_release

pytestmark = pytest.mark.xdist_group("anilibria")

_LISTS = {
    "latest": "/updates?limit={}",
    "catalog": "/popular?limit={}",
    "app/search": "/search?q=number&limit={}",
}
_BROKEN_ITEMS: list[Any] = [
    None, 5, "text", [], {}, {"id": None, "name": {"main": "x"}}, {"id": 2**40, "name": {"main": "x"}},
    {"id": "abc", "name": {"main": "x"}}, {"id": 7.5, "name": {"main": "x"}}, {"id": 31, "name": {}},
]  # fmt: skip


def _listed(numbers: range) -> list[Any]:
    return [
        {key: value for key, value in made_release(number).items() if key != "episodes"} for number in numbers
    ]


_WRAPPINGS: list[Callable[[list[Any]], Any]] = [
    lambda items: items,
    lambda items: {"data": items},
    lambda items: {"data": items, "meta": []},
    lambda items: {"data": items, "meta": {"pagination": {"total": "x", "total_pages": None}}},
    lambda items: {"data": items, "meta": {"pagination": {"total": "120", "links": {}}}, "extra": [1]},
]


async def test_a_broken_item_of_a_list_costs_only_that_item(
    client: httpx.AsyncClient, anilibria_standin: AniLibriaStandin
) -> None:
    document = (await client.get("/openapi.json")).json()
    schema = {"$ref": "#/components/schemas/TitlesAnswer", "components": document["components"]}
    good, limit = _listed(range(20, 24)), 30
    mixed = [good[0], *_BROKEN_ITEMS, *good[1:]]
    for wrap in _WRAPPINGS:
        for match, path in _LISTS.items():
            limit += 1  # so that no cached answer is served
            rule = anilibria_standin.behave("body", match=match, body=json.dumps(wrap(mixed)))
            answer = await client.get(V2 + path.format(limit))
            anilibria_standin.clear(rule)
            assert answer.status_code == 200, (match, answer.text)
            assert [one["id"] for one in answer.json()["data"]] == [20, 21, 22, 23], match
            jsonschema_rs.validate(schema, answer.json())


def _changed(number: int, **fields: Any) -> dict[str, Any]:
    return {**made_release(number), **fields}


def _episodes(number: int, *changes: dict[str, Any]) -> list[dict[str, Any]]:
    episodes: list[dict[str, Any]] = copy.deepcopy(made_release(number)["episodes"])
    for episode, change in zip(episodes, changes, strict=False):
        episode.update(change)
    return episodes


async def test_titles_in_other_spellings_are_served(
    client: httpx.AsyncClient, anilibria_standin: AniLibriaStandin
) -> None:
    document = (await client.get("/openapi.json")).json()
    schema = {"$ref": "#/components/schemas/TitleAnswer", "components": document["components"]}

    async def ask(number: int, body: Any) -> Any:
        rule = anilibria_standin.behave("body", match=f"/releases/{number}$", body=json.dumps(body))
        answer = await client.get(f"{V2}/titles/{number}")
        anilibria_standin.clear(rule)
        assert answer.status_code == 200, answer.text
        jsonschema_rs.validate(schema, answer.json())
        return answer.json()["data"]

    texts = _episodes(41, {"ordinal": "1"}, {"ordinal": "2", "id": 5}, {"ordinal": "2.5", "id": None})
    title = await ask(41, _changed(41, id="41", year="2016", episodes=texts, is_ongoing="true"))
    assert list(title["player"]["episodes"]) == ["1", "2", "2.5", "3"]
    assert (title["year"], title["status"]) == (2016, "ongoing")
    assert list((await ask(42, {"data": _changed(42)}))["player"]["episodes"]) == ["1", "2", "2.5", "3"]
    assert (await ask(43, [_changed(43)]))["id"] == 43
    broken = [None, "x", *_episodes(44, {"ordinal": None}, {"hls_480": 5, "hls_720": [], "hls_1080": {}})]
    title = await ask(44, _changed(44, episodes=broken))
    assert list(title["player"]["episodes"]) == ["2", "2.5", "3"]
    assert title["player"]["episodes"]["2"]["sources"] == []
    twins = _episodes(45, {}, {"ordinal": 1, "hls_480": None, "hls_720": None, "hls_1080": None})
    title = await ask(45, _changed(45, episodes=twins))
    assert title["player"]["episodes"]["1"]["sources"], "the one that can be played is shown"
    title = await ask(46, _changed(46, episodes=list(reversed(_episodes(46)))))
    assert list(title["player"]["episodes"]) == ["1", "2", "2.5", "3"]
    missing = {"id": 47, "name": {"main": "Имя"}}
    title = await ask(47, missing)
    assert (title["names"]["ru"], title["player"]["episodes"], title["genres"]) == ("Имя", {}, [])
    title = await ask(
        48, _changed(48, description="\x00<script>", favorites=10**30, year=10**400, genres="x")
    )
    assert (title["description"], title["year"]) == ("<script>", None)


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("html", {}),
        ("garbage", {}),
        ("nan", {}),
        ("deep", {"depth": 100_000}),
        ("body", {"body": ""}),
        ("body", {"body": "null"}),
        ("body", {"body": "[]"}),
        ("body", {"body": "{}"}),
        ("body", {"body": '"text"'}),
        ("body", {"body": '{"data": null}'}),
        ("body", {"body": '{"id": 9, "name": null, "alias": null}'}),
        ("body", {"body": '{"id": 8, "name": {"main": "another release"}}'}),
        ("status", {"status": 403, "body": "<html>blocked</html>", "content_type": "text/html"}),
    ],
)
async def test_a_response_that_is_no_title_is_a_bad_gateway(
    client: httpx.AsyncClient, anilibria_standin: AniLibriaStandin, mode: str, options: dict[str, Any]
) -> None:
    anilibria_standin.behave(mode, match="/releases/9$", **options)
    answer = await client.get(f"{V2}/titles/9")
    assert answer.status_code in {502, 503}, answer.text
    assert answer.json()["error"]["code"].startswith("UPSTREAM_")
    anilibria_standin.clear()
    assert (await client.get(f"{V2}/titles/10")).status_code == 200


async def test_a_list_without_totals_is_read_to_its_end(
    client: httpx.AsyncClient, container: Any, anilibria_standin: AniLibriaStandin
) -> None:
    pages = [_listed(range(first, min(first + 50, 121))) for first in (1, 51, 101)]
    for number, items in enumerate(pages, start=1):
        body = json.dumps(items)
        anilibria_standin.behave("body", match=rf"catalog/releases\?page={number}&", body=body)
    assert await container.releases.following.mirror() == 120
    page = (await client.get(f"{V2}/titles?limit=100&page=2&sort=id&order=asc")).json()
    assert [one["id"] for one in page["data"]] == list(range(101, 121))


async def test_a_summary_never_erases_details(
    client: httpx.AsyncClient, anilibria_standin: AniLibriaStandin
) -> None:
    before = (await client.get(f"{V2}/titles/60")).json()["data"]
    bare = json.dumps([{"id": 60, "name": {"main": "Тайтл номер 60", "english": "Title number 60"}}])
    anilibria_standin.behave("body", match="app/search", body=bare)
    (found,) = (await client.get(f"{V2}/search?q=number")).json()["data"]
    assert found == before
