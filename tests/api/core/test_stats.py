"""Statistics of a list over HTTP."""

from datetime import UTC, datetime

import httpx
from dirty_equals import IsPartialDict
from sqlalchemy import text

from app.schemas.core.stats import StatsOut
from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn

LIST = "/users/me/list"
NONE = {"watching": 0, "completed": 0, "plan_to_watch": 0, "dropped": 0, "on_hold": 0}


async def make_titles(database: Database) -> list[int]:
    """Ids of a series with 26 episodes of 24 minutes, a film of 115, and a series of unknown length."""
    async with database.transaction() as tx:
        await tx.session.execute(text("insert into genres (kind, name) values ('genre', 'Action')"))
        rows = await tx.session.execute(
            text(
                """
                insert into anime (title, episodes, duration_minutes, type, year, status, tag_ids) values
                    ('A', 26, 24, 'TV', 1998, 'finished', array[1]),
                    ('B', 1, 115, 'Movie', 2001, 'finished', '{}'),
                    ('C', 12, null, 'TV', 1998, 'airing', array[1]) returning id
                """
            )
        )
        return list(rows.scalars())


async def test_an_empty_list_has_statistics(client: httpx.AsyncClient, user: SignedIn) -> None:
    stats = (await client.get("/users/me/stats", headers=user.headers)).json()
    assert StatsOut.model_validate(stats)
    assert stats == IsPartialDict(
        total=0, by_status=NONE, episodes=0, minutes=0, mean_score=None, activity=[]
    )


async def test_time_counts_real_lengths_and_rewatches(
    client: httpx.AsyncClient, user: SignedIn, other_user: SignedIn, database: Database
) -> None:
    first, film, unknown = await make_titles(database)
    client.headers.update(user.headers)
    for anime_id, fields in (
        (first, {"status": "completed", "score": 9, "rewatch_count": 1}),
        (film, {"status": "watching", "progress": 1, "is_rewatching": True, "score": 7.5}),
        (unknown, {"status": "watching", "progress": 5}),
    ):
        assert (await client.post(LIST, json={"anime_id": anime_id, **fields})).status_code == 201
    await client.post(LIST, json={"anime_id": first, "status": "watching"}, headers=other_user.headers)
    stats = (await client.get("/users/me/stats")).json()
    assert StatsOut.model_validate(stats)
    # the film reached its end: the running rewatch is completed and counted
    assert stats == IsPartialDict(
        total=3,
        episodes=26 * 2 + 2 + 5,
        minutes=26 * 2 * 24 + 2 * 115,
        episodes_of_unknown_length=5,
        mean_score=8.25,
        scores=[{"score": 7.5, "count": 1}, {"score": 9.0, "count": 1}],
        genres=[{"id": 1, "name": "Action", "kind": "genre", "count": 2, "mean_score": 9.0}],
        years=[
            {"year": 1998, "count": 2, "mean_score": 9.0},
            {"year": 2001, "count": 1, "mean_score": 7.5},
        ],
        activity=[{"date": datetime.now(UTC).date().isoformat(), "episodes": 26 + 1 + 5}],
    )
    assert stats["formats"][0] == {"format": "TV", "count": 2, "mean_score": 9.0}
