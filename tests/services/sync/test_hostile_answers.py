"""AniList's answers, changed in kind: nothing stored is lost or overwritten, and no entry goes missing."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from dirty_equals import IsPartialDict
from sqlalchemy import text

from app.config import Settings
from app.schemas.jobs import PushList
from app.utils.db.database import Database
from tests.fixtures.anilist import Connected, connected
from tests.standin.anilist import AniListStandin, failure, fuzzy

COUNT = 1575
STATUSES = ["CURRENT", "PLANNING", "COMPLETED", "DROPPED", "PAUSED", "REPEATING"]


@pytest.fixture
def anilist() -> AniListStandin:
    return AniListStandin()


@pytest.fixture
async def me(settings: Settings, database: Database, anilist: AniListStandin) -> AsyncIterator[Connected]:
    async with connected(settings, database, anilist) as somebody:
        yield somebody


async def stored(me: Connected) -> dict[int, dict[str, Any]]:
    """The list as stored, by AniList id, with versions and the number of history lines."""
    async with me.container.db.transaction() as tx:
        rows = await tx.session.execute(
            text(
                "select e.*, (select count(*) from entry_changes c where c.entry_id = e.id) as lines"
                " from entries e where user_id = :user_id"
            ),
            {"user_id": me.user.id},
        )
        return {row["anilist_id"]: dict(row) for row in rows.mappings()}


async def test_a_long_list_arrives_whole_and_a_second_sync_changes_nothing(
    me: Connected, anilist: AniListStandin
) -> None:
    for number in range(1, COUNT + 1):
        anilist.add(
            number, mal_id=number, status=STATUSES[number % 6], score=number % 101, progress=number % 30,
            repeat=number % 3, notes=f"note {number}" if number % 2 else None, private=number % 9 == 0,
            startedAt=fuzzy(2015, number % 12 + 1), hidden=number % 50 == 0,
            completedAt=fuzzy(2016, number % 12 + 1, number % 28 + 1) if number % 4 == 0 else fuzzy(),
        )  # fmt: skip
    anilist.custom = {"Hidden ones": list(range(50, COUNT + 1, 50)), "Best": [1, 2, 3]}
    await me.connect()
    assert (await me.order("/api/anilist/sync"))["status"] == "succeeded"
    assert anilist.count("MediaListCollection") == 4 + 1, "four chunks of anime, one of manga"
    first = await stored(me)
    assert len(first) == COUNT
    words = ["watching", "plan_to_watch", "completed", "dropped", "on_hold", "watching"]
    for number, row in first.items():
        assert row == IsPartialDict(
            status=words[number % 6], is_rewatching=number % 6 == 5, score=number % 101 or None,
            progress=number % 30, rewatch_count=number % 3, is_private=number % 9 == 0,
            notes=f"note {number}" if number % 2 else None,
            started_at=f"2015-{number % 12 + 1:02}",
            finished_at=f"2016-{number % 12 + 1:02}-{number % 28 + 1:02}" if number % 4 == 0 else None,
        ), number  # fmt: skip
    assert (await me.order("/api/anilist/sync"))["status"] == "succeeded"
    assert anilist.count("MediaListCollection") == 2 * 5
    assert await stored(me) == first
    assert anilist.saves == []


def _changed(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda entry: {**entry, **fields}


def _without(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda entry: {name: value for name, value in entry.items() if name not in names}


def _as_text(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        for name, value in entry.items()
    }


CHANGES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "numbers as text": _as_text,
    "nulls": _changed(score=None, progress=None, repeat=None, private=None, startedAt=None),
    "objects": _changed(score={}, progress=[], repeat={}, notes={}, private="yes", startedAt=[2]),
    "out of range": _changed(score=10**30, progress=-5, repeat=10**30, updatedAt=10**18),
    "impossible dates": _changed(startedAt=fuzzy(2021, 2, 31), completedAt=fuzzy(9999)),
    "an unknown status": _changed(status="SOMETHING_NEW"),
    "a status that is no text": _changed(status=7),
    "nothing but ids": _without(
        "status", "score", "progress", "repeat", "notes", "private", "startedAt", "completedAt", "updatedAt"
    ),
    "no media": _changed(media=None),
    "media of odd types": _changed(media={"id": "1", "title": ["x"], "coverImage": 5, "episodes": "many"}),
    "extra keys": _changed(added={"by": ["AniList"]}, priority=9, advancedScores={"Story": 5}),
}  # fmt: skip


async def test_no_change_of_kind_in_an_entry_overwrites_or_loses_anything(
    me: Connected, anilist: AniListStandin
) -> None:
    changes = dict(enumerate(CHANGES.items(), start=1))
    for number in changes:
        anilist.add(number, status="PAUSED", score=85, progress=5, repeat=2, notes="kept", private=True,
                    startedAt=fuzzy(2020, 5), completedAt=fuzzy(2021, 1, 2))  # fmt: skip
    await me.connect()
    await me.order("/api/anilist/sync")
    before = await stored(me)
    assert before.keys() == changes.keys()
    anilist.add(1000, progress=4)
    told, unknown = anilist._told, ("", CHANGES["an unknown status"])
    anilist._told = lambda entry: changes.get(entry["mediaId"], unknown)[1](told(entry))  # type: ignore[method-assign]
    job = await me.order("/api/anilist/sync")
    assert (job["status"], job["error"]) == ("succeeded", None)
    after = await stored(me)
    assert after.pop(1000) == IsPartialDict(status="plan_to_watch", progress=4), "a new one is kept too"
    for number, (name, _) in changes.items():
        assert after[number] == before[number], name
    assert anilist.saves == []


async def test_an_anilist_with_text_numbers_is_imported_whole(me: Connected, anilist: AniListStandin) -> None:
    anilist.add(1, status="COMPLETED", score=85, progress=12, repeat=1, startedAt=fuzzy(2020, 5))
    told = anilist._told
    anilist._told = lambda entry: _as_text(told(entry))  # type: ignore[method-assign]
    await me.connect()
    await me.order("/api/anilist/sync")
    assert (await stored(me))[1] == IsPartialDict(
        status="completed", score=85, progress=12, rewatch_count=1, started_at="2020-05"
    )


def _answered(status: int = 200, *, json: Any = None, content: bytes | None = None, **headers: str) -> Any:
    return lambda *_: (
        httpx.Response(status, json=json, headers=headers)
        if content is None
        else httpx.Response(status, content=content, headers={"Content-Type": "application/json", **headers})
    )


ANSWERS: dict[str, Callable[..., httpx.Response]] = {
    "errors beside a cut list": _answered(
        json={"data": {"MediaListCollection": {"lists": []}}, "errors": [{"message": "Internal Error"}]}
    ),
    "lists are null": _answered(json={"data": {"MediaListCollection": {"lists": None}}}),
    "404 with null data": lambda *_: failure(404, "Not Found.", MediaListCollection=None),
    "an outage page": _answered(403, content=b"<html>Just a moment...</html>"),
    "nothing": _answered(content=b""),
    "cut JSON": _answered(content=b'{"data": {"MediaListCollection": {"lists": [{"entr'),
    "429 with remaining calls": lambda *_: httpx.Response(
        429, json={"data": None, "errors": [{"message": "Too Many Requests.", "status": 429}]},
        headers={"X-RateLimit-Remaining": "60", "Retry-After": "60"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
async def test_no_failed_answer_changes_the_list(me: Connected, anilist: AniListStandin, name: str) -> None:
    anilist.add(1, status="PAUSED", score=85, progress=5, notes="kept")
    await me.connect()
    await me.order("/api/anilist/sync")
    item = (await me.items())[1]
    await me.patch(item, progress=6)
    before = await stored(me)
    anilist.answer = ANSWERS[name]
    job = await me.order("/api/anilist/sync")
    assert job["status"] in {"queued", "failed"}, "a failed answer is not an empty list"
    assert job["error"], name
    assert await stored(me) == before
    status = (await me.client.get("/api/anilist/status")).json()
    assert status == IsPartialDict(connected=True, reconnect=False, pending=1)
    assert anilist.saves == []


@pytest.mark.parametrize("half", [0, pytest.param(1, marks=pytest.mark.soak)])
async def test_no_answer_to_a_push_changes_our_list_or_repeats_the_push(
    me: Connected, anilist: AniListStandin, half: int
) -> None:
    changes = dict(enumerate(list(CHANGES.items())[half::2], start=1))
    for number in changes:
        anilist.add(number, status="PAUSED", score=85, progress=5, repeat=2, notes="kept", private=True,
                    startedAt=fuzzy(2020, 5), completedAt=fuzzy(2021, 1, 2))  # fmt: skip
    await me.connect()
    await me.order("/api/anilist/sync")
    for number, item in (await me.items()).items():
        await me.patch(item, progress=10 + number)
    async with me.container.db.transaction() as tx:
        await tx.session.execute(text("update entries set updated_at = updated_at - interval '1 minute'"))
    before = await stored(me)
    save = anilist._save

    def changed_save(variables: dict[str, Any], *, signed: bool) -> Any:
        answer = save(variables, signed=signed)["SaveMediaListEntry"]
        return {"SaveMediaListEntry": changes[variables["mediaId"]][1](answer)}

    anilist._save = changed_save  # type: ignore[method-assign]
    for _ in range(2):
        job = await me.submit(PushList(me.user.id, "anilist"))
        assert (job["status"], job["error"]) == ("succeeded", None)
    assert sorted(sent["mediaId"] for sent in anilist.saves) == sorted(changes), "each was sent once"
    assert {number: entry["progress"] for number, entry in anilist.entries.items()} == {
        number: 10 + number for number in changes
    }
    assert await stored(me) == before
    assert (await me.client.get("/api/anilist/conflicts")).json() == []
    assert (await me.client.get("/api/anilist/status")).json() == IsPartialDict(pending=0, rejected=[])
