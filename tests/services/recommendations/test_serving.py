"""From lists in the database to recommendations over HTTP: a fit in a separate process, and serving."""

import asyncio
import csv
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.container import Container
from app.schemas.core.recommendations import RecommendationOut, SimilarOut
from app.schemas.jobs import FitRecommendations
from app.tasks import performer
from app.utils.processes.embedded import ServerUrls
from tests.factories.catalogue import Title
from tests.fixtures.accounts import SignedIn, make_account
from tests.fixtures.catalogue import client_on, stocked
from tests.fixtures.servers import Clones
from tests.services.recommendations.lists import SERIES, TITLES, first, make_lists

RECOMMENDATIONS = "/users/me/recommendations"
STATUSES = ("", "completed", "watching", "on_hold", "dropped", "plan_to_watch")


def made_title(number: int) -> Title:
    kind, season = number // (2 * SERIES), number % 2
    return Title(
        {
            "mal_id": 1000 + number,
            "title": f"Kind {kind} series {number // 2 % SERIES} season {season + 1}",
            "type": "TV",
            "status": "finished",
            "aired_from": f"20{10 + season}-04-01",
            "members": 100_000 - number,
            "popularity": 1 + number,
            "rating": "Rx - Hentai" if number == first(3, 11) else "PG-13",
        },
        [("genre", ("Action", "Comedy", "Drama", "Romance")[kind])],
    )


@pytest.fixture(scope="module")
async def served(
    clones: Clones, servers: ServerUrls, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[httpx.AsyncClient, Container]]:
    """A server whose model was fitted from the lists of a file."""
    async with (
        stocked(clones, [made_title(number) for number in range(TITLES)]) as stock,
        client_on(stock.url, servers.redis_url) as (client, container),
    ):
        relations = [{"from": 1000 + number, "to": 1001 + number} for number in range(0, TITLES, 2)]
        async with container.db.transaction() as tx:
            await tx.session.execute(
                text(
                    "insert into anime_relations (from_id, to_id, type, source, media_type) "
                    "values (:from, :to, 'sequel', 'mal', 'anime')"
                ),
                relations,
            )
        file = tmp_path_factory.mktemp("ratings") / "ratings.csv"
        write_ratings(file)
        dump = await container.recommendations.refits.store_ratings(file, lambda _: None)
        assert (len(dump.names), dump.faults) == (300, 0)
        summary = await container.recommendations.refits.run()
        assert (summary.lists, summary.titles, summary.learned) == (300, TITLES, TITLES)
        yield client, container


def write_ratings(path: Path) -> None:
    lists = make_lists()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "mal_id", "score", "status", "progress"])
        columns = (lists.users, lists.titles, lists.scores, lists.statuses)
        for user, title, score, status in zip(*(column.tolist() for column in columns), strict=True):
            writer.writerow([f"u{user}", 1000 + title, int(score), STATUSES[status], ""])


class Person:
    def __init__(self, client: httpx.AsyncClient, who: SignedIn) -> None:
        self.client = client
        self.headers = who.headers

    async def add(self, number: int, **fields: Any) -> None:
        body = {"mal_id": 1000 + number, "status": "completed", **fields}
        answer = await self.client.post("/users/me/list", json=body, headers=self.headers)
        assert answer.status_code == 201, answer.text

    async def recommended(self, **wanted: Any) -> list[dict[str, Any]]:
        answer = await self.client.get(RECOMMENDATIONS, params=wanted, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return [RecommendationOut.model_validate(one).model_dump() for one in answer.json()]


@pytest.fixture
async def person(served: tuple[httpx.AsyncClient, Container]) -> Person:
    client, container = served
    person = Person(client, await make_account(container))
    for series in range(4):
        await person.add(first(1, series), score=9)
    return person


def numbers(found: list[dict[str, Any]]) -> list[int]:
    return [one["mal_id"] - 1000 for one in found]


async def test_recommendations_fit_the_taste_and_name_their_reasons(person: Person) -> None:
    found = await person.recommended(limit=8)
    assert [one["part"] for one in found] == ["continue"] * 3 + ["discover"] * 5
    assert all(one["title"].startswith("Kind 1") for one in found[:7])
    for one in found:
        names = [cause["title"] for cause in one["because"]]
        assert one["reason"] == f"Because you liked {' and '.join(names)}"
        assert all(name.startswith("Kind 1") and name.endswith("season 1") for name in names)
    sequels = [number for number in numbers(found) if number % 2]
    assert set(sequels) <= {first(1, series) + 1 for series in range(4)}


async def test_pages_continue_where_the_last_one_ended(person: Person) -> None:
    whole = numbers(await person.recommended(limit=30))
    parts = [await person.recommended(limit=10, offset=offset) for offset in (0, 10, 20)]
    assert [number for part in parts for number in numbers(part)] == whole
    assert len(set(whole)) == len(whole)


async def test_a_change_of_the_list_shows_at_once(person: Person) -> None:
    best = numbers(await person.recommended(mode="discover"))[0]
    await person.add(best, score=2, status="dropped")
    assert best not in numbers(await person.recommended(mode="all", limit=50))
    answer = await person.client.get(f"{RECOMMENDATIONS}?mode=all&limit=1", headers=person.headers)
    entries = (await person.client.get("/users/me/list", headers=person.headers)).json()
    dropped = next(entry for entry in entries if entry["status"] == "dropped")
    gone = await person.client.delete(f"/users/me/list/{dropped['anime_id']}", headers=person.headers)
    assert (answer.status_code, gone.status_code) == (200, 204)
    assert best in numbers(await person.recommended(mode="all", limit=50))


async def test_ignored_titles_are_not_recommended(person: Person) -> None:
    ids = {one["mal_id"] - 1000: one["id"] for one in await person.recommended(mode="discover")}
    best = next(iter(ids))
    path = f"{RECOMMENDATIONS}/ignored/{ids[best]}"
    for _ in range(2):
        assert (await person.client.post(path, headers=person.headers)).status_code == 204
    for wanted in ({"mode": "discover"}, {"mode": "all"}, {}, {"algo": "genres"}):
        assert best not in numbers(await person.recommended(limit=50, **wanted))
    for _ in range(2):
        assert (await person.client.delete(path, headers=person.headers)).status_code == 204
    assert numbers(await person.recommended(mode="discover"))[0] == best
    unknown = await person.client.post(f"{RECOMMENDATIONS}/ignored/999999", headers=person.headers)
    assert unknown.status_code == 404


async def test_adult_titles_are_recommended_only_to_users_who_list_some(person: Person) -> None:
    adult = first(3, 11)
    assert adult not in numbers(await person.recommended(mode="discover", limit=50))
    await person.add(adult, score=9)
    await person.client.post(
        "/users/me/list", json={"mal_id": 1000 + first(3, 10), "status": "dropped"}, headers=person.headers
    )
    assert adult + 1 in numbers(await person.recommended(mode="continue", limit=50))


async def test_an_empty_list_gets_what_is_popular_but_no_sequels(
    served: tuple[httpx.AsyncClient, Container],
) -> None:
    client, container = served
    found = await Person(client, await make_account(container)).recommended(limit=20)
    assert len(found) == 20
    assert not [number for number in numbers(found) if number % 2]
    assert {one["reason"] for one in found} <= {"Popular with everybody", "New, and popular already"}


async def test_similar_titles_are_other_franchises_of_the_kind(
    served: tuple[httpx.AsyncClient, Container], person: Person
) -> None:
    some = (await person.recommended(mode="discover"))[0]
    answer = await person.client.get(f"/anime/{some['id']}/similar", params={"limit": 8})
    assert answer.status_code == 200, answer.text
    found = [SimilarOut.model_validate(one) for one in answer.json()]
    assert len(found) == 8
    assert all(one.anime.title.startswith("Kind 1") for one in found)
    assert some["title"].rpartition(" ")[0] not in {one.anime.title.rpartition(" ")[0] for one in found}
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert found[0].reason == f"Liked by many who like {some['title']}"
    for query in ("limit=0", "limit=51", "page=2"):
        assert (await person.client.get(f"/anime/{some['id']}/similar?{query}")).status_code == 422
    assert (await person.client.get("/anime/999999/similar")).status_code == 404


async def test_a_title_of_after_the_fit_is_similar_by_its_genres(
    served: tuple[httpx.AsyncClient, Container], person: Person
) -> None:
    async with served[1].db.transaction() as tx:
        new = (
            await tx.session.execute(
                text(
                    "insert into anime (title, tag_ids, rating, mal_id) "
                    "select 'New', tag_ids, 'Rx', 9000 from anime where mal_id = :id returning id"
                ),
                {"id": 1000 + first(3, 0)},
            )
        ).scalar_one()
    found = (await person.client.get(f"/anime/{new}/similar")).json()
    assert found
    assert {one["anime"]["title"] for one in found} == {"Kind 3 series 11 season 1"}, "adult, like itself"
    assert {one["reason"] for one in found} == {"Both: Romance"}


async def test_a_refit_as_a_job_takes_effect_and_leaves_one_model(
    served: tuple[httpx.AsyncClient, Container], person: Person
) -> None:
    _, container = served
    before = numbers(await person.recommended(limit=20))
    async with container.db.transaction() as tx:
        first_model = (await tx.session.execute(text("select max(id) from recommendation_models"))).scalar()
        job = await container.jobs.enqueue(tx, FitRecommendations())
    reading = asyncio.create_task(read_all_the_time(person))
    await container.jobs.run(job.id, performer(container))
    reading.cancel()
    assert (await container.jobs.get(job.id)).status == "succeeded"
    models = await container.db.scalar("select array_agg(id) from recommendation_models")
    assert len(models) == 1
    assert models[0] > first_model
    assert len(numbers(await person.recommended(limit=20))) == len(before)
    lists = await container.db.scalar("select (facts->>'lists')::int from recommendation_models")
    assert lists > 300, "the lists of the file and those of our own"


async def read_all_the_time(person: Person) -> None:
    while True:
        assert await person.recommended()
        await asyncio.sleep(0.05)
