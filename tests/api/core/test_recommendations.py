"""Recommendations by genres over HTTP, on the most popular titles of the real catalogue."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from dirty_equals import IsPartialDict
from sqlalchemy import text

from app.container import Container
from app.schemas.core.recommendations import RecommendationOut
from app.utils.processes.embedded import ServerUrls
from tests.factories.catalogue import Title, read_titles
from tests.fixtures.accounts import SignedIn, make_account
from tests.fixtures.catalogue import Stock, client_on, stocked
from tests.fixtures.servers import Clones

LIST, RECOMMENDATIONS = "/users/me/list", "/users/me/recommendations"
BEBOP, HENTAI = 1, "Rx - Hentai"


def known(title: Title) -> bool:
    """Enough titles for different tastes, including adult ones."""
    return bool((title.columns.get("popularity") or 10**6) <= 2000 or title.columns.get("rating") == HENTAI)


@pytest.fixture(scope="module")
async def stock(clones: Clones, shared: Path) -> AsyncIterator[Stock]:
    titles = [title for title in read_titles(shared) if known(title)]
    async with stocked(clones, titles) as stock:
        yield stock


@pytest.fixture(scope="module")
async def served(stock: Stock, servers: ServerUrls) -> AsyncIterator[tuple[httpx.AsyncClient, Container]]:
    async with client_on(stock.url, servers.redis_url) as served:
        yield served


class Person:
    def __init__(self, client: httpx.AsyncClient, who: SignedIn, stock: Stock) -> None:
        self.client = client
        self.who = who
        self.id_of = {title.columns["mal_id"]: id_ for id_, title in stock.titles.items()}
        self.titles = stock.titles

    async def lists(self, mal_ids: Iterable[int], **fields: Any) -> None:
        for mal_id in mal_ids:
            body = {"anime_id": self.id_of[mal_id], "status": "completed", **fields}
            answer = await self.client.post(LIST, json=body, headers=self.who.headers)
            assert answer.status_code == 201, answer.text

    async def recommended(self, limit: int = 10) -> list[dict[str, Any]]:
        params: dict[str, str | int] = {"limit": limit, "algo": "genres"}
        answer = await self.client.get(RECOMMENDATIONS, params=params, headers=self.who.headers)
        assert answer.status_code == 200, answer.text
        return [RecommendationOut.model_validate(title).model_dump() for title in answer.json()]

    def with_label(self, name: str, count: int) -> list[int]:
        """The most popular titles with a label."""
        found = [
            title.columns
            for title in self.titles.values()
            if name in {label for _, label in title.tags} and title.columns.get("rating") != HENTAI
        ]
        return [columns["mal_id"] for columns in sorted(found, key=lambda one: one["popularity"])[:count]]


@pytest.fixture
async def person(served: tuple[httpx.AsyncClient, Container], stock: Stock) -> Person:
    client, container = served
    return Person(client, await make_account(container), stock)


def labels(title: dict[str, Any]) -> set[str]:
    return {tag["name"] for kind in ("genres", "themes", "demographics") for tag in title[kind]}


async def test_an_empty_list_is_answered_with_the_popular_and_the_new_by_turns(person: Person) -> None:
    answer = await person.client.get(f"{RECOMMENDATIONS}?limit=20", headers=person.who.headers)
    found = answer.json()
    assert [title["reason"] for title in found[:4]] == [
        "Popular with everybody",
        "New, and popular already",
    ] * 2
    assert {(title["part"], tuple(title["because"])) for title in found} == {("discover", ())}
    begun = [title.columns for title in person.titles.values() if title.columns.get("status") != "upcoming"]
    known = sorted(begun, key=lambda columns: columns.get("popularity") or 10**6)
    assert found[0]["mal_id"] == known[0]["mal_id"]
    newest = sorted((columns.get("aired_from") or "" for columns in begun), reverse=True)[400]
    assert all(title["aired_from"] >= newest for title in found[1:20:2])


async def test_the_object_is_that_of_the_catalogue_with_a_reason(person: Person) -> None:
    for algo in ("model", "genres"):
        asked = f"{RECOMMENDATIONS}?limit=1&algo={algo}"
        [first] = (await person.client.get(asked, headers=person.who.headers)).json()
        in_catalogue = (await person.client.get(f"/anime/{first['id']}")).json()
        assert first == {**in_catalogue, "part": "discover", "reason": first["reason"], "because": []}
        [part] = (await person.client.get(f"{asked}&fields=title,year", headers=person.who.headers)).json()
        assert part == {name: first[name] for name in ("title", "year", "part", "reason", "because")}
        reasons = await person.client.get(f"{asked}&fields=reason,part", headers=person.who.headers)
        assert reasons.json() == [{name: first[name] for name in ("id", "part", "reason", "because")}]


async def test_recommendations_follow_the_list(
    person: Person, served: tuple[httpx.AsyncClient, Container]
) -> None:
    await person.lists(person.with_label("Sports", 12), score=9)
    sporty = await person.recommended(20)
    other = Person(person.client, await make_account(served[1]), Stock("", person.titles))
    await other.lists(other.with_label("Horror", 12), score=9)
    scary = await other.recommended(20)
    counted = [sum(label in labels(title) for title in found) for found in (sporty, scary) for label in
               ("Sports", "Horror")]  # fmt: skip
    assert counted[0] > 6
    assert counted[1] < 3
    assert counted[2] < 3
    assert counted[3] > 6
    assert any("Sports" in title["reason"] or "Because you rated" in title["reason"] for title in sporty)


async def test_disliked_genres_come_last(person: Person) -> None:
    await person.lists(person.with_label("Horror", 8), score=2, status="dropped")
    await person.lists(person.with_label("Sports", 8), score=9)
    assert sum("Horror" in labels(title) for title in await person.recommended(50)) <= 2


async def test_titles_on_the_list_are_never_recommended(person: Person) -> None:
    best = [title["mal_id"] for title in await person.recommended(5)]
    for status, mal_id in zip(
        ("dropped", "plan_to_watch", "on_hold", "watching", "completed"), best, strict=True
    ):
        await person.lists([mal_id], status=status)
    found = await person.recommended(50)
    assert len({title["id"] for title in found}) == 50
    assert not {title["mal_id"] for title in found} & set(best)


async def test_an_entry_that_is_not_matched_yet_counts_too(
    person: Person, served: tuple[httpx.AsyncClient, Container]
) -> None:
    first = (await person.recommended(1))[0]
    async with served[1].db.transaction() as tx:
        await tx.session.execute(
            text(
                "insert into entries (user_id, media_type, mal_id, title, status) "
                "values (:user_id, 'anime', :mal_id, 'Not linked', 'completed')"
            ),
            {"user_id": person.who.id, "mal_id": first["mal_id"]},
        )
    assert first["id"] not in {title["id"] for title in await person.recommended(50)}


async def test_reasons_name_their_titles(person: Person) -> None:
    await person.lists([BEBOP], score=9.5)
    found = await person.recommended(50)
    akin = [title for title in found if title["reason"] == "Because you rated Cowboy Bebop 9.5"]
    assert len(akin) > 25
    bebop = {name for _, name in person.titles[person.id_of[BEBOP]].tags}
    assert all(labels(title) & bebop for title in akin)
    others = {title["reason"].partition(",")[2] for title in found if title not in akin}
    assert others <= {" which you like"}


async def test_adult_titles_are_shown_only_to_users_who_have_some(
    person: Person, served: tuple[httpx.AsyncClient, Container]
) -> None:
    async with served[1].db.transaction() as tx:
        await tx.session.execute(
            text("update anime set members = 5000000 where rating = :rating"), {"rating": HENTAI}
        )
    await person.lists(person.with_label("Ecchi", 5), score=10)
    assert HENTAI not in {title["rating"] for title in await person.recommended(50)}
    adult = [id_ for id_, title in person.titles.items() if title.columns.get("rating") == HENTAI]
    await person.lists([person.titles[id_].columns["mal_id"] for id_ in adult[:8]], score=10)
    assert HENTAI in {title["rating"] for title in await person.recommended(50)}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=51",
        "limit=ten",
        "limit=",
        "page=2",
        "limti=5",
        "mode=everything",
        "diversity=1.1",
        "diversity=nan",
        "offset=-1",
        "algo=magic",
        "fields=nothing",
    ],
)
async def test_invalid_parameters_are_rejected(person: Person, query: str) -> None:
    answer = await person.client.get(f"{RECOMMENDATIONS}?{query}", headers=person.who.headers)
    assert answer.status_code == 422
    assert answer.json() == IsPartialDict(code="VALIDATION_ERROR")


async def test_recommendations_need_a_token_with_read_access(person: Person) -> None:
    assert (await person.client.get(RECOMMENDATIONS)).status_code == 401
    scopes = {"name": "writes", "scopes": ["write:content"], "expires_in_days": 1}
    made = await person.client.post("/auth/tokens", json=scopes, headers=person.who.headers)
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    assert (await person.client.get(RECOMMENDATIONS, headers=headers)).status_code == 403
    assert (await person.client.get(f"/api{RECOMMENDATIONS}", headers=person.who.headers)).status_code == 200
