"""How playback changes the list, and how the list affects "continue watching"."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from dirty_equals import IsDatetime, IsPartialDict, IsStr
from sqlalchemy import text

from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn

LIST, CONTINUE = "/users/me/list", "/watch/continue"


@pytest.fixture
async def titles(database: Database) -> list[int]:
    """Ids of a finished title with 12 episodes of 24 minutes, an airing one with 12, and an endless one."""
    async with database.transaction() as tx:
        rows = await tx.session.execute(
            text(
                """
                insert into anime (mal_id, title, episodes, duration_minutes, status) values
                    (1, 'Over', 12, 24, 'finished'), (2, 'On air', 12, 24, 'airing'),
                    (3, 'Endless', null, null, 'airing') returning id
                """
            )
        )
        return list(rows.scalars())


class Person:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def watches(self, anime_id: int, episode: int, percent: float = 95, **fields: Any) -> None:
        body = {"anime_id": anime_id, "episode": episode, "progress_percent": percent, **fields}
        answer = await self.client.post("/watch/progress", json=body)
        assert answer.status_code == 200, answer.text

    async def lists(self, anime_id: int, status: str, **fields: Any) -> None:
        body = {"anime_id": anime_id, "status": status, **fields}
        assert (await self.client.post(LIST, json=body)).status_code == 201

    async def sets(self, anime_id: int, **fields: Any) -> dict[str, Any]:
        answer = await self.client.patch(f"{LIST}/{anime_id}", json=fields)
        assert answer.status_code == 200, answer.text
        entry: dict[str, Any] = answer.json()
        return entry

    async def entry(self, anime_id: int) -> dict[str, Any] | None:
        answer = await self.client.get(f"{LIST}/{anime_id}")
        return answer.json() if answer.status_code == 200 else None

    async def goes_on(self) -> dict[int, tuple[int, float]]:
        """The offered episodes and their watched shares, by title."""
        answer = await self.client.get(CONTINUE)
        assert answer.headers["X-Total-Count"] == str(len(answer.json()))
        return {row["anime_id"]: (row["episode"], row["progress_percent"]) for row in answer.json()}

    async def origins(self, anime_id: int) -> list[str]:
        return [change["origin"] for change in (await self.client.get(f"{LIST}/{anime_id}/history")).json()]


@pytest.fixture
async def mine(client: httpx.AsyncClient, user: SignedIn) -> Person:
    client.headers.update(user.headers)
    return Person(client)


async def test_an_episode_watched_puts_the_title_on_the_list(mine: Person, titles: list[int]) -> None:
    over, on_air, endless = titles
    await mine.watches(over, 3, 89.9)
    assert await mine.entry(over) is None
    await mine.watches(over, 3, 90)
    await mine.watches(endless, 700)
    entry = await mine.entry(over)
    assert entry == IsPartialDict(status="watching", progress=3, started_at=IsStr, finished_at=None)
    assert await mine.entry(endless) == IsPartialDict(status="watching", progress=700)
    await mine.watches(on_air, 12)
    assert await mine.entry(on_air) == IsPartialDict(status="watching", progress=12, finished_at=None)
    assert await mine.origins(over) == ["watch"]
    assert (await mine.client.post(f"{LIST}/{over}/undo")).json() is None


async def test_the_last_episode_of_a_finished_title_completes_it(mine: Person, titles: list[int]) -> None:
    await mine.watches(titles[0], 12)
    assert await mine.entry(titles[0]) == IsPartialDict(
        status="completed", progress=12, started_at=IsStr, finished_at=IsStr
    )
    assert await mine.goes_on() == {}


@pytest.mark.parametrize("progress", [0, 5, 12])
@pytest.mark.parametrize("status", ["plan_to_watch", "on_hold", "dropped", "watching"])
async def test_watching_sets_the_status_to_watching(
    mine: Person, titles: list[int], status: str, progress: int
) -> None:
    over, on_air, _ = titles
    for anime_id in (over, on_air):
        await mine.lists(anime_id, status, progress=progress)
        await mine.watches(anime_id, 4)
        assert await mine.entry(anime_id) == IsPartialDict(status="watching", progress=max(4, progress))
    await mine.watches(over, 12)
    assert await mine.entry(over) == IsPartialDict(status="completed", progress=12, finished_at=IsStr)


async def test_a_rewatch_ends_with_the_last_episode_and_is_counted_once(
    mine: Person, titles: list[int]
) -> None:
    over = titles[0]
    await mine.lists(over, "completed", finished_at="2019-05")
    await mine.watches(over, 2)
    assert await mine.entry(over) == IsPartialDict(status="completed", progress=12, rewatch_count=0)
    await mine.sets(over, status="watching", is_rewatching=True, progress=0)
    assert await mine.goes_on() == {over: (1, 0)}
    for episode in range(1, 12):
        await mine.watches(over, episode)
        assert await mine.goes_on() == {over: (episode + 1, 0)}
    assert await mine.entry(over) == IsPartialDict(is_rewatching=True, progress=11, rewatch_count=0)
    for percent in (50, 91, 100):
        await mine.watches(over, 12, percent)
    assert await mine.entry(over) == IsPartialDict(
        status="completed", is_rewatching=False, progress=12, rewatch_count=1, finished_at="2019-05"
    )
    assert await mine.goes_on() == {}


async def test_a_custom_total_applies_to_playback(mine: Person, titles: list[int]) -> None:
    over, on_air, _ = titles
    await mine.lists(over, "watching", max_progress=6)
    await mine.watches(over, 8)
    assert await mine.entry(over) == IsPartialDict(progress=6, status="completed")
    await mine.lists(on_air, "watching", max_progress=24)
    await mine.watches(on_air, 20)
    assert await mine.entry(on_air) == IsPartialDict(progress=20, max_progress=24)
    assert (await mine.goes_on())[on_air] == (21, 0)


@pytest.mark.parametrize("status", ["plan_to_watch", "on_hold"])
async def test_first_progress_sets_watching_unless_a_status_is_sent(
    mine: Person, titles: list[int], status: str
) -> None:
    for anime_id, sent, then in (
        (titles[0], {"progress": 2}, "watching"),
        (titles[1], {"progress_delta": 1}, "watching"),
        (titles[2], {"progress": 2, "status": status}, status),
    ):
        await mine.lists(anime_id, status)
        assert await mine.sets(anime_id, **sent) == IsPartialDict(status=then, started_at=IsStr)


async def test_the_viewing_history_does_not_change_the_list(mine: Person, titles: list[int]) -> None:
    await mine.client.post("/views", json={"anime_id": titles[0], "episode": 3})
    assert await mine.entry(titles[0]) is None


async def test_a_removed_title_is_added_again_when_it_is_watched(mine: Person, titles: list[int]) -> None:
    over = titles[0]
    await mine.watches(over, 3)
    await mine.client.delete(f"{LIST}/{over}")
    assert await mine.goes_on() == {}
    await mine.watches(over, 4, 40)
    assert (await mine.entry(over), await mine.goes_on()) == (None, {over: (4, 40)})
    await mine.watches(over, 4)
    assert await mine.entry(over) == IsPartialDict(status="watching", progress=4)
    changed = await mine.client.get(LIST, params={"updated_since": "2020-01-01T00:00:00Z"})
    assert [entry.get("deleted", False) for entry in changed.json()] == [False]


async def test_a_late_report_does_not_undo_a_decision(mine: Person, titles: list[int]) -> None:
    """A device that was offline reports late; the user's later decisions are kept."""
    over, on_air, endless = titles
    await mine.lists(over, "watching")
    await mine.lists(on_air, "plan_to_watch")
    await mine.lists(endless, "watching")
    seen = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    await mine.sets(over, status="dropped")
    await mine.client.delete(f"{LIST}/{endless}")
    for anime_id in titles:
        await mine.watches(anime_id, 3, client_ts=seen)
    assert await mine.entry(over) == IsPartialDict(status="dropped", progress=3)
    assert await mine.entry(on_air) == IsPartialDict(status="watching", progress=3)
    assert await mine.entry(endless) is None
    assert await mine.goes_on() == {on_air: (4, 0)}


async def test_concurrent_devices_lose_nothing(mine: Person, titles: list[int]) -> None:
    work = [mine.watches(anime_id, episode) for episode in range(1, 6) for anime_id in titles]
    await asyncio.gather(*work)
    for anime_id in titles:
        assert await mine.entry(anime_id) == IsPartialDict(status="watching", progress=5)
        assert set(await mine.origins(anime_id)) == {"watch"}
    assert await mine.goes_on() == dict.fromkeys(titles, (6, 0))


@pytest.mark.parametrize("decision", ["completed", "dropped", "removed"])
async def test_finished_titles_are_not_offered_unless_watched_since(
    mine: Person, titles: list[int], decision: str
) -> None:
    over, _, endless = titles
    for anime_id in titles:
        await mine.watches(anime_id, 2)
        await mine.watches(anime_id, 3, 30)
        if decision == "removed":
            await mine.client.delete(f"{LIST}/{anime_id}")
        else:
            await mine.sets(anime_id, status=decision)
            await mine.sets(anime_id, notes="this changes nothing of it", score=4)
    assert await mine.goes_on() == {}
    await mine.watches(over, 1, 20)
    await mine.watches(endless, 5, 70)
    if decision != "removed":
        await mine.sets(over, notes="nor does this")
    assert await mine.goes_on() == {over: (1, 20), endless: (5, 70)}
    await mine.watches(over, 1)
    # it is on the list again, with the unfinished episode; a completed one starts again
    assert (await mine.goes_on())[over] == ((2, 0) if decision == "completed" else (3, 30))


@pytest.mark.parametrize(
    ("reports", "progress", "wanted"),
    [
        ([(2, 50)], 5, (6, 0)),  # the unfinished episode is behind the progress
        ([(8, 50)], 5, (8, 50)),  # and here ahead of it
        ([(2, 95)], 7, (8, 0)),
        ([(9, 95), (10, 40)], 3, (10, 40)),
        ([(9, 95)], 3, (4, 0)),  # lowered by hand
        ([(5, 95)], 11, (12, 0)),
        ([(3, 50)], 12, None),
        ([], 4, (5, 0)),  # nothing was played
        ([], 0, None),
    ],
)
async def test_progress_set_on_the_list_counts(
    mine: Person,
    titles: list[int],
    reports: list[tuple[int, float]],
    progress: int,
    wanted: tuple[int, float] | None,
) -> None:
    on_air = titles[1]
    for episode, percent in reports:
        await mine.watches(on_air, episode, percent)
    if await mine.entry(on_air) is None:
        await mine.lists(on_air, "watching", progress=progress)
    else:
        await mine.sets(on_air, progress=progress)
    assert await mine.goes_on() == ({} if wanted is None else {on_air: wanted})


async def test_titles_started_after_the_list_was_set_are_offered(mine: Person, titles: list[int]) -> None:
    await mine.lists(titles[0], "watching", progress=7)
    await mine.watches(titles[0], 3, 50)
    assert await mine.goes_on() == {titles[0]: (3, 50)}


async def test_a_title_without_playback_reports_has_no_playback_id(mine: Person, titles: list[int]) -> None:
    for anime_id, status in zip(titles, ("watching", "plan_to_watch", "on_hold"), strict=True):
        await mine.lists(anime_id, status, progress=1)
    [row] = (await mine.client.get(CONTINUE)).json()
    moment = IsDatetime(iso_string=True)
    assert row == {
        "id": None, "anime_id": titles[0], "episode": 2, "position_seconds": 0, "progress_percent": 0.0,
        "created_at": moment, "last_watched_at": moment, "anime": IsPartialDict(title="Over"),
    }  # fmt: skip


async def test_paused_titles_keep_their_position(mine: Person, titles: list[int]) -> None:
    await mine.watches(titles[0], 3, 40)
    await mine.lists(titles[0], "on_hold")
    assert await mine.goes_on() == {titles[0]: (3, 40)}


async def test_nothing_of_other_users_is_offered(
    mine: Person, titles: list[int], other_user: SignedIn
) -> None:
    await mine.watches(titles[0], 3, 40)
    await mine.lists(titles[1], "watching", progress=2)
    assert (await mine.client.get(CONTINUE, headers=other_user.headers)).json() == []
