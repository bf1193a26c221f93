"""GET /genres: labels with their number of titles."""

import httpx

from tests.fixtures.catalogue import Stock


async def test_genres_have_exact_counts(made: httpx.AsyncClient, made_stock: Stock) -> None:
    genres = (await made.get("/genres")).json()
    assert all(list(genre) == ["id", "name", "mal_id", "kind", "count"] for genre in genres)
    order = [(genre["kind"], genre["name"]) for genre in genres]
    assert order == sorted(order)
    tags = [tag for title in made_stock.titles.values() for tag in title.tags]
    assert {key: genre["count"] for key, genre in zip(order, genres, strict=True)} == {
        tag: tags.count(tag) for tag in tags
    }


async def test_genres_of_one_kind(made: httpx.AsyncClient) -> None:
    every = (await made.get("/genres")).json()
    for kind in ("genre", "theme", "demographic"):
        assert (await made.get("/genres", params={"kind": kind})).json() == [
            genre for genre in every if genre["kind"] == kind
        ]
    assert (await made.get("/genres?kind=studio")).status_code == 422
    assert "did you mean kind?" in (await made.get("/genres?knd=genre")).text


async def test_genres_without_adult_titles(made: httpx.AsyncClient, made_stock: Stock) -> None:
    every = {genre["id"]: genre["count"] for genre in (await made.get("/genres")).json()}
    safe = {genre["id"]: genre["count"] for genre in (await made.get("/genres?sfw=true")).json()}
    for id_, count in every.items():
        total = (await made.get(f"/anime?genre={id_}&sfw=true&limit=1")).headers["X-Total-Count"]
        assert safe.get(id_, 0) == int(total)
        assert id_ in safe or count > 0
    assert sum(safe.values()) < sum(every.values())
