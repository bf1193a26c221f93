"""Playback reports, the viewing history and favourites over HTTP."""

from typing import Any

import httpx
import pytest
from dirty_equals import IsDatetime, IsInt, IsPartialDict
from sqlalchemy import text

from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn

PROGRESS = "/watch/progress"


@pytest.fixture
async def titles(database: Database) -> list[int]:
    """Ids of a title with 26 episodes of 24 minutes, and of one of unknown length."""
    async with database.transaction() as tx:
        rows = await tx.session.execute(
            text(
                """
                insert into anime (mal_id, title, episodes, duration_minutes, status) values
                    (1, 'Cowboy Bebop', 26, 24, 'finished'), (2, 'Endless', null, null, 'airing')
                returning id
                """
            )
        )
        return list(rows.scalars())


async def report(mine: httpx.AsyncClient, anime_id: int, episode: int, **fields: Any) -> httpx.Response:
    return await mine.post(PROGRESS, json={"anime_id": anime_id, "episode": episode, **fields})


async def test_a_report_is_stored_and_listed(mine: httpx.AsyncClient, titles: list[int]) -> None:
    answer = await report(mine, titles[0], 3, position_seconds=360)
    assert answer.status_code == 200
    row = answer.json()
    assert row == {
        "id": IsInt,
        "anime_id": titles[0],
        "episode": 3,
        "position_seconds": 360,
        "progress_percent": 25.0,
        "created_at": IsDatetime(iso_string=True),
        "last_watched_at": IsDatetime(iso_string=True),
        "anime": IsPartialDict(id=titles[0], title="Cowboy Bebop", episodes=26),
        "entry": None,
    }
    del row["entry"]
    assert (await mine.get("/watch/continue")).json() == [row]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"position_seconds": -1},
        {"progress_percent": 100.5},
        {"progress_percent": "7"},
        {"position_seconds": True},
        {"episode": 0, "position_seconds": 1},
        {"episode": 27, "position_seconds": 1},
        {"position_seconds": 1, "client_ts": "yesterday"},
    ],
)
async def test_bad_reports_are_refused(
    mine: httpx.AsyncClient, titles: list[int], fields: dict[str, Any]
) -> None:
    answer = await mine.post(PROGRESS, json={"anime_id": titles[0], "episode": 1, **fields})
    assert answer.status_code == 422
    assert answer.json()["details"]["fields"]
    assert (await mine.get("/watch/continue")).json() == []


async def test_an_unknown_title_is_not_found(mine: httpx.AsyncClient) -> None:
    assert (await report(mine, 999_999, 1, position_seconds=1)).status_code == 404
    assert (await mine.post("/views", json={"anime_id": 999_999, "episode": 1})).status_code == 404
    assert (await mine.post("/favorites", json={"anime_id": 999_999})).status_code == 404


async def test_an_earlier_report_that_arrives_later_loses(mine: httpx.AsyncClient, titles: list[int]) -> None:
    await report(mine, titles[0], 1, position_seconds=600, client_ts="2026-11-20T20:10:00Z")
    late = await report(mine, titles[0], 1, position_seconds=300, client_ts="2026-11-20T22:05:00+02:00")
    assert late.json()["position_seconds"] == 600
    newer = await report(mine, titles[0], 1, position_seconds=60, client_ts="2026-11-20T20:11:00Z")
    assert newer.json()["position_seconds"] == 60


async def test_late_reports_still_count(mine: httpx.AsyncClient, titles: list[int]) -> None:
    """A device that was offline reports an episode late, after another device has restarted it."""
    await mine.post("/users/me/list", json={"anime_id": titles[0], "status": "watching"})
    path = f"/users/me/list/{titles[0]}"
    await report(mine, titles[0], 2, progress_percent=30, client_ts="2026-11-20T20:00:00Z")
    late = await report(mine, titles[0], 2, progress_percent=95, client_ts="2026-11-20T10:00:00Z")
    assert late.json()["progress_percent"] == 30
    assert (await mine.get(path)).json()["progress"] == 2
    await report(mine, titles[0], 3, progress_percent=95, client_ts="2026-11-20T21:00:00Z")
    await mine.patch(path, json={"progress": 0})
    # a report below the whole episode does not raise progress, whatever is stored
    await report(mine, titles[0], 3, progress_percent=10, client_ts="2026-11-20T20:30:00Z")
    assert (await mine.get(path)).json()["progress"] == 0


async def test_a_fast_clock_does_not_block_other_devices(mine: httpx.AsyncClient, titles: list[int]) -> None:
    await report(mine, titles[0], 1, position_seconds=600, client_ts="2099-01-01T00:00:00Z")
    assert (await report(mine, titles[0], 1, position_seconds=700)).json()["position_seconds"] == 700


@pytest.mark.parametrize("fields", [{"progress_percent": 90}, {"position_seconds": 1296}])
async def test_an_episode_that_is_nearly_through_counts_and_never_lowers(
    mine: httpx.AsyncClient, titles: list[int], fields: dict[str, Any]
) -> None:
    await mine.post("/users/me/list", json={"anime_id": titles[0], "status": "plan_to_watch"})
    path = f"/users/me/list/{titles[0]}"
    await report(mine, titles[0], 5, **fields)
    assert (await mine.get(path)).json() == IsPartialDict(progress=5, status="watching")
    await report(mine, titles[0], 2, **fields)
    assert (await mine.get(path)).json()["progress"] == 5
    await report(mine, titles[0], 6, position_seconds=60)
    assert (await mine.get(path)).json()["progress"] == 5
    await report(mine, titles[0], 26, **fields)
    assert (await mine.get(path)).json() == IsPartialDict(progress=26, status="completed")


async def test_continue_watching_offers_the_next_episode(mine: httpx.AsyncClient, titles: list[int]) -> None:
    await report(mine, titles[0], 3, progress_percent=95)
    [row] = (await mine.get("/watch/continue")).json()
    assert row == IsPartialDict(episode=4, position_seconds=0, progress_percent=0)
    await report(mine, titles[1], 100, progress_percent=100)
    await report(mine, titles[0], 26, progress_percent=100)
    answer = await mine.get("/watch/continue")
    assert [row["anime_id"] for row in answer.json()] == [titles[1]]
    assert answer.headers["X-Total-Count"] == "1"


@pytest.mark.parametrize(
    ("reports", "wanted"),
    [
        ([(5, 50), (4, 100)], (5, 50)),  # it was started already
        ([(3, 50), (4, 100)], (5, 0)),  # earlier episodes are done
        ([(4, 100), (3, 50)], (3, 50)),  # restarted
        ([(1, 100), (2, 95), (3, 90)], (4, 0)),
        ([(7, 20), (9, 20), (3, 100)], (9, 20)),
        ([(25, 100), (26, 100)], None),
        ([(26, 100), (25, 100)], (26, 0)),
        ([(26, 100), (26, 40)], (26, 40)),
    ],
)
async def test_continue_watching_is_listed(
    mine: httpx.AsyncClient,
    titles: list[int],
    reports: list[tuple[int, int]],
    wanted: tuple[int, int] | None,
) -> None:
    for episode, percent in reports:
        await report(mine, titles[0], episode, progress_percent=percent)
    answer = await mine.get("/watch/continue")
    shown = [(row["episode"], row["progress_percent"]) for row in answer.json()]
    assert shown == ([wanted] if wanted else [])
    assert answer.headers["X-Total-Count"] == str(len(shown))


async def test_the_viewing_log_is_paged_newest_first(mine: httpx.AsyncClient, titles: list[int]) -> None:
    for episode, day in ((1, "03"), (2, "01"), (3, "02")):
        at = f"2026-11-{day}T20:00:00Z"
        answer = await mine.post("/views", json={"anime_id": titles[0], "episode": episode, "at": at})
        assert (answer.status_code, answer.json()["at"]) == (201, at)
    answer = await mine.get("/views", params={"limit": 2})
    assert [view["episode"] for view in answer.json()] == [1, 3]
    assert answer.headers["X-Total-Count"] == "3"
    past = await mine.get("/views", params={"offset": 10})
    assert (past.json(), past.headers["X-Total-Count"]) == ([], "3")


async def test_favorites(mine: httpx.AsyncClient, titles: list[int], other_user: SignedIn) -> None:
    first = await mine.post("/favorites", json={"anime_id": titles[0]})
    assert first.status_code == 201
    assert (await mine.post("/favorites", json={"anime_id": titles[0]})).status_code == 409
    await mine.post("/favorites", json={"anime_id": titles[1]})
    assert [row["anime_id"] for row in (await mine.get("/favorites")).json()] == titles[::-1]
    assert (await mine.get("/favorites", headers=other_user.headers)).json() == []
    for _ in range(2):
        assert (await mine.delete(f"/favorites/{titles[1]}")).status_code == 204
    assert (await mine.get("/favorites")).json() == [first.json()]
    assert (await mine.post("/favorites", json={"anime_id": titles[1]})).status_code == 201


async def test_a_report_answers_the_entry_and_each_episode_is_remembered(
    mine: httpx.AsyncClient, titles: list[int], other_user: SignedIn
) -> None:
    path = f"{PROGRESS}/{titles[0]}"
    assert (await mine.get(path)).json() == []
    for episode, percent in ((3, 95), (1, 100), (4, 20)):
        answer = (await report(mine, titles[0], episode, progress_percent=percent)).json()
        assert answer["entry"] == (await mine.get(f"/users/me/list/{titles[0]}")).json()
    assert answer["entry"] == IsPartialDict(status="watching", progress=3, version=1)
    rows = await mine.get(path)
    assert [(row["episode"], row["progress_percent"]) for row in rows.json()] == [(1, 100), (3, 95), (4, 20)]
    assert rows.headers["X-Total-Count"] == "3"
    assert (await mine.get(f"{path}?limit=1&page=3")).json()[0]["episode"] == 4
    assert (await mine.get(path, headers=other_user.headers)).json() == []
    for _ in range(2):
        assert (await mine.delete(path)).status_code == 204
        assert (await mine.get(path)).json() == []
    assert (await mine.get(f"/users/me/list/{titles[0]}")).json()["progress"] == 3
    assert (await mine.get(f"{PROGRESS}/2000000000")).status_code == 404


async def test_a_favorite_can_be_put_again_and_again(mine: httpx.AsyncClient, titles: list[int]) -> None:
    first = await mine.put(f"/favorites/{titles[0]}")
    again = await mine.put(f"/favorites/{titles[0]}")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() == (await mine.get("/favorites")).json()[0]
    assert (await mine.put("/favorites/2000000000")).status_code == 404
