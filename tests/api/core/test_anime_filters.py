"""Every filter and sort order of GET /anime, compared with a reference implementation in Python."""

import random
import re
from typing import Any

import httpx
import pytest

from tests.factories.reference import Given, expected
from tests.fixtures.catalogue import Stock

SORTS = [
    "score",
    "-score",
    "title",
    "-title",
    "year",
    "-year",
    "popularity",
    "-popularity",
    "updated",
    "-updated",
]


async def walk(client: httpx.AsyncClient, given: Given, *, limit: int) -> list[int]:
    """The ids of all pages, following the ``Link`` headers."""
    ids: list[int] = []
    page = await client.get("/anime", params=[*given, ("limit", limit), ("fields", "id")])
    while True:
        assert page.status_code == 200, page.text
        ids += [title["id"] for title in page.json()]
        if "next" not in page.links:
            assert page.headers["X-Total-Count"] == str(len(ids))
            return ids
        page = await client.get(page.links["next"]["url"])


@pytest.mark.parametrize("sort", SORTS)
async def test_a_walk_over_the_pages_is_the_whole_set_in_order(
    made: httpx.AsyncClient, made_stock: Stock, sort: str
) -> None:
    assert await walk(made, [("sort", sort)], limit=37) == expected(made_stock.titles, [("sort", sort)])


ALONE: list[Given] = [
    [("genre", "action")],
    [("genre", "SLICE OF LIFE")],
    [("genre", "School")],
    [("genre", "kids")],
    [("genre", "Action"), ("genre", "Drama")],
    [("genre", "Action,comedy")],
    [("genre[]", "Action"), ("genre[]", "Comedy"), ("genre", "drama")],
    [("genre", "Action"), ("genre_exclude", "Comedy,Kids")],
    [("genre_exclude", "Nobody knows this")],
    [("status", "airing")],
    [("season", "fall")],
    [("year", "2010")],
    [("year_from", "2009"), ("year_to", "2011")],
    [("type", "TV")],
    [("min_score", "7.5")],
    [("search", "shi")],
    [("q", "дракон")],
    [("search", "ka no")],
    [("sfw", "true")],
    [("sfw", "false")],
]


@pytest.mark.parametrize("given", ALONE, ids=str)
async def test_each_filter(made: httpx.AsyncClient, made_stock: Stock, given: Given) -> None:
    ids = expected(made_stock.titles, given)
    assert ids, "a filter that lets nothing through proves nothing"
    assert await walk(made, given, limit=100) == ids


def draw(chance: random.Random, stock: Stock) -> Given:
    """Several random filters with values that occur in the catalogue."""
    title = chance.choice(list(stock.titles.values()))
    columns = title.columns
    names = [name for _, name in title.tags]
    words = [word for name in title.names() for word in re.findall(r"[^\W\d_]{3,}", name)]
    year = columns.get("year") or 2000
    choices: list[Given] = [
        [("genre", chance.choice(names or ["Action"]))],
        [("genre", ",".join(names))] if names else [],
        [("genre_exclude", chance.choice(["Comedy", "Kids", "Music", "Hentai"]))],
        [("status", columns.get("status") or "finished")],
        [("season", columns.get("season") or "spring")],
        [("type", columns.get("type") or "TV")],
        [("year", str(year))],
        [("year_from", str(year - chance.randrange(5)))],
        [("year_to", str(year + chance.randrange(5)))],
        [("min_score", str(round(chance.uniform(3, 8), 1)))],
        [("search", chance.choice(words or ["no"])[: chance.randint(3, 8)])],
        [("sfw", "true")],
    ]
    chosen = [pair for filter_ in chance.sample(choices, chance.randint(1, 4)) for pair in filter_]
    return [*chosen, ("sort", chance.choice(SORTS[:8]))]


async def found_by(real: httpx.AsyncClient, words: str) -> set[int]:
    """The ids found by a search alone; whether these are right is tested elsewhere."""
    ids: set[int] = set()
    while True:
        asked: Any = {"search": words, "limit": 100, "offset": len(ids), "fields": "id"}
        page = (await real.get("/anime", params=asked)).json()
        ids |= {title["id"] for title in page}
        if len(page) < 100:
            return ids


async def test_filters_together_over_the_real_catalogue(real: httpx.AsyncClient, real_stock: Stock) -> None:
    chance = random.Random(20261121)
    found = 0
    for _ in range(120):
        given = draw(chance, real_stock)
        ids = expected(real_stock.titles, [pair for pair in given if pair[0] != "search"])
        if words := dict(given).get("search"):
            hits = await found_by(real, words)
            ids = [anime_id for anime_id in ids if anime_id in hits]
        if not ids:  # then inexact matches are returned
            continue
        offset = chance.randrange(len(ids))
        asked: Any = [*given, ("limit", 100), ("offset", offset), ("fields", "id")]
        page = await real.get("/anime", params=asked)
        assert page.status_code == 200, (given, page.text)
        assert page.headers["X-Total-Count"] == str(len(ids)), given
        assert [title["id"] for title in page.json()] == ids[offset : offset + 100], given
        found += len(ids) > 1
    assert found > 60


async def test_a_genre_by_its_id(made: httpx.AsyncClient, made_stock: Stock) -> None:
    genres = {genre["name"]: genre["id"] for genre in (await made.get("/genres")).json()}
    by_id = await walk(
        made, [("genre", str(genres["Drama"])), ("genre_exclude[]", str(genres["Kids"]))], limit=100
    )
    assert by_id == expected(made_stock.titles, [("genre", "Drama"), ("genre_exclude", "Kids")])
    assert by_id


@pytest.mark.parametrize(
    "genre", ["No such genre", "2147483647", "99999999999999999999", "%", "Dra_a", "' or 1=1"]
)
async def test_an_unknown_genre_has_no_titles(made: httpx.AsyncClient, genre: str) -> None:
    page = await made.get("/anime", params={"genre": genre})
    assert (page.status_code, page.json(), page.headers["X-Total-Count"]) == (200, [], "0")


@pytest.mark.parametrize("search", ["%", "_", "shi%", "s_i", "\\", "%%%"])
async def test_wildcards_are_literal(made: httpx.AsyncClient, made_stock: Stock, search: str) -> None:
    assert expected(made_stock.titles, [("search", search)]) == []
    assert (await made.get("/anime", params={"search": search})).json() == []


async def test_quotes_are_punctuation_like_any_other(made: httpx.AsyncClient) -> None:
    quoted = await made.get("/anime", params={"search": "' or ''='", "fields": "id"})
    plain = await made.get("/anime", params={"search": "or", "fields": "id"})
    assert (quoted.status_code, quoted.json()) == (200, plain.json())


async def test_titles_with_wildcards_are_found(real: httpx.AsyncClient, real_stock: Stock) -> None:
    for search in ("%", "100%", "_"):
        page = await real.get("/anime", params={"search": search, "limit": 100, "fields": "id"})
        ids = expected(real_stock.titles, [("search", search)])
        assert [title["id"] for title in page.json()] == ids[:100]
        assert ids


async def test_case_of_words_does_not_matter(made: httpx.AsyncClient) -> None:
    async def ids(**given: str) -> list[int]:
        return [title["id"] for title in (await made.get("/anime", params={**given, "fields": "id"})).json()]

    assert await ids(status="FINISHED", type="tv", season="Fall") == await ids(
        status="finished", type="TV", season="fall"
    )
    assert await ids(type="tv_special") == await ids(type="TV Special")
    assert await ids(q=" shi ") == await ids(search="shi", q="shi") == await ids(search="SHI")
    assert await ids(search="") == await ids()


async def test_several_values_are_alternatives(made: httpx.AsyncClient, made_stock: Stock) -> None:
    async def total(query: str) -> int:
        answer = await made.get(f"/anime?limit=1&{query}")
        assert answer.status_code == 200, answer.text
        return int(answer.headers["X-Total-Count"])

    for name, first, second in (
        ("status", "finished", "Airing"),
        ("type", "TV", "movie"),
        ("season", "spring", "fall"),
    ):
        parts = await total(f"{name}={first}") + await total(f"{name}={second}")
        assert await total(f"{name}={first}&{name}={second}") == parts > 0
        assert await total(f"{name}={first},{second}") == parts
    assert (await made.get("/anime?status=finished&status=seen")).status_code == 422
    assert (await made.get("/anime?min_score=1&min_score=2")).status_code == 422


async def test_a_grid_of_known_ids_is_one_page(made: httpx.AsyncClient, made_stock: Stock) -> None:
    some = [title["id"] for title in (await made.get("/anime?limit=100&fields=id&sort=year")).json()]
    answer = await made.get(f"/anime?fields=id&ids={','.join(map(str, some))}&sort=year")
    assert [title["id"] for title in answer.json()] == some
    assert [title["id"] for title in (await made.get(f"/anime?ids={some[3]}&ids=2000000000")).json()] == [
        some[3]
    ]
    assert len((await made.get(f"/anime?limit=2&ids={some[0]},{some[1]},{some[2]}")).json()) == 2
    for bad in ("x", "0", ",".join(map(str, range(1, 102)))):
        assert (await made.get(f"/anime?ids={bad}")).status_code == 422
